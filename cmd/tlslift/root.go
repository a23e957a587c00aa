package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/packaged"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/spelling"
)

// A program is one run of tlslift, with what the system gave it.
type program struct {
	environ        map[string]string
	stdin          *os.File
	stdout, stderr *os.File
	log            *logging.Writer // to standard error; never waits for its reader
	version        string
	envFile        string // from the command line
	// asks means that the command asks a tlslift that runs, or prints a list.
	asks bool
	// packaged returns the settings of the service that a package has installed.
	packaged func() packaged.Found
	unread   error // why settings that are there were not read; nil if they were, or were not looked for
}

// asking are the commands for which no file is read that only the service may read.
var asking = []string{
	"clients", "forget", "export", "watch", "healthcheck", "endpoints", "rules", "client",
	cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd,
}

const rootHelp = `tlslift lets clients that only speak TLS 1.0 or 1.1 keep using Microsoft 365.

Clients connect to tlslift. A client that can reach Microsoft 365 by itself is
passed through untouched. The others are lifted: tlslift ends the client's TLS
with a certificate of its own CA, and opens verified TLS 1.2 or newer to Microsoft
365. Without a command it serves; the default settings suit a first try.

Settings come from environment variables that begin with TLSLIFT_, and from a
file given with --env-file or TLSLIFT_ENV_FILE, which may be missing if its path
follows a "-"; the environment wins. Without any of these, the file of the service that
a package has installed is read, /etc/tlslift/tlslift.env, if only its owner, root or
you, can change it. An empty value is the same as none, except for
TLSLIFT_ADMIN_LISTEN, where it turns the listener off.
"tlslift config" lists all settings with their values.

The file has NAME=value lines. Lines that begin with # or ; are comments. A
value may be in single quotes, or in double quotes, where a backslash escapes
" \ $ and a backquote. A value goes on in the next line if its line ends with a
backslash. Variables are not expanded.
`

const rootExamples = `  tlslift
  TLSLIFT_LISTEN=smtp://:587,smtps://:465 tlslift serve
  TLSLIFT_LISTEN=tls://:8443?to=outlook.office365.com:443 tlslift serve
  tlslift config --env-file /etc/tlslift/tlslift.env`

// rootCommand returns the command line. What a command returns is wrong usage
// unless it is marked as failed.
func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:              "tlslift",
		Short:            "Lets TLS 1.0 and 1.1 clients keep using Microsoft 365",
		Long:             rootHelp + "\n" + exitCodeHelp(),
		Example:          rootExamples,
		Args:             noSuchCommand,
		RunE:             p.runServe,
		Version:          p.version,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) { p.asks = slices.Contains(asking, cmd.Name()) },
		SilenceErrors:    true,
		SilenceUsage:     true,
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.PersistentFlags().StringVar(&p.envFile, "env-file", "", "read settings from `FILE`, one NAME=value in a line")
	root.AddCommand(p.serveCommand(), p.configCommand(), p.endpointsCommand(), p.rulesCommand(), p.clientsCommand(),
		p.watchCommand(), p.healthCommand(), p.versionCommand(), signinCommand(p), passwordCommand(p.stdin, p.stderr), demoCommand(),
		loginCommand(p), checkCommand(p), testDeviceCommand(p), caCommand(p), serviceCommand(p), manCommand())
	return root
}

// noSuchCommand refuses arguments of a command that has commands of its own: they are
// misspelt ones.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	if !cmd.HasParent() {
		names = []string{"completion", "help"}
	}
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	if near := spelling.Nearest(args[0], names); near != "" {
		return fmt.Errorf("%q is not a command; did you mean %s?", args[0], near)
	}
	return fmt.Errorf("%q is not a command; run `%s --help` for the list", args[0], cmd.CommandPath())
}

// noArgs refuses arguments of a command that takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no arguments, and %q is one; run `%[1]s --help`", cmd.CommandPath(), args[0])
}

func exitCodeHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, c := range exitCodes {
		lines := settings.Wrap(strings.ReplaceAll(c.meaning, "`", ""), 75)
		fmt.Fprintf(&b, "  %d  %s\n", c.code, strings.Join(lines, "\n     "))
	}
	return strings.TrimSuffix(b.String(), "\n")
}
