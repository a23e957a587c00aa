package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/roff"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

// manCommand is for who makes a package: it writes the manual pages.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "Write the manual pages into a directory",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			for name, page := range manPages(cmd.Root()) {
				if err := os.WriteFile(filepath.Join(args[0], name), page, 0o644); err != nil { //nolint:gosec // for everybody
					return failed(err)
				}
			}
			return nil
		},
	}
}

// manPages returns the manual pages by their file names: one for each command, and one for
// the file of settings.
func manPages(root *cobra.Command) map[string][]byte {
	pages := map[string][]byte{}
	var add func(*cobra.Command)
	add = func(cmd *cobra.Command) {
		pages[manName(cmd)+".1"] = manPage(cmd)
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				add(c)
			}
		}
	}
	root.InitDefaultCompletionCmd()
	add(root)
	pages["tlslift.env.5"] = settingsPage(root.Version)
	return pages
}

// manName is the name of a command's page, for example tlslift-clients-forget.
func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// addFlags writes a list of flags.
func addFlags(r *roff.Page, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	r.Section(title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		short := ""
		if f.Shorthand != "" {
			short = "-" + f.Shorthand + ", "
		}
		fmt.Fprintf(r, ".TP\n\\fB%s\\fR \\fI%s\\fR\n%s\n", roff.Text(short+"--"+f.Name), roff.Text(value), roff.Text(usage))
	})
}

// manPage returns the page of one command.
func manPage(cmd *cobra.Command) []byte {
	r := roff.New(manName(cmd), 1, cmd.Root().Version)
	r.Section("NAME")
	fmt.Fprintf(r, "%s \\- %s\n", roff.Text(manName(cmd)), roff.Text(strings.ToLower(cmd.Short[:1])+cmd.Short[1:]))
	r.Section("SYNOPSIS")
	fmt.Fprintf(r, "\\fB%s\\fR\n", roff.Text(cmd.UseLine()))
	r.Section("DESCRIPTION")
	if cmd.Long != "" {
		r.Paragraphs(cmd.Long)
	} else {
		r.Paragraphs(cmd.Short + ".")
	}
	var related []string
	if cmd.HasParent() {
		related = append(related, "\\fB"+roff.Text(manName(cmd.Parent()))+"\\fR(1)")
	}
	if cmd.HasAvailableSubCommands() {
		r.Section("COMMANDS")
	}
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		fmt.Fprintf(r, ".TP\n\\fB%s\\fR\n%s\n", roff.Text(c.Name()), roff.Text(c.Short))
		related = append(related, "\\fB"+roff.Text(manName(c))+"\\fR(1)")
	}
	addFlags(r, "OPTIONS", cmd.NonInheritedFlags())
	addFlags(r, "OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	if cmd.Example != "" {
		r.Section("EXAMPLES")
		r.Verbatim(cmd.Example)
	}
	r.Section("SEE ALSO")
	fmt.Fprintf(r, "%s\n", strings.Join(append(related, `\fBtlslift.env\fR(5)`), ",\n"))
	return r.Bytes()
}

// settingsPage returns the page of the file of settings.
func settingsPage(version string) []byte {
	r := roff.New("tlslift.env", 5, version)
	r.Section("NAME")
	fmt.Fprintf(r, "tlslift.env \\- settings of tlslift\n")
	r.Section("DESCRIPTION")
	r.Paragraphs("A file of NAME=value lines, for --env-file and TLSLIFT_ENV_FILE. " +
		"The variables of the environment have the same names, and win.")
	r.Section("SETTINGS")
	r.Verbatim(settings.ExampleEnvFile())
	r.Section("SEE ALSO")
	fmt.Fprintln(r, `\fBtlslift\fR(1), \fBtlslift\-config\fR(1)`)
	return r.Bytes()
}
