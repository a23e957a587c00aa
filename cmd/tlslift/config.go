package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/configcheck"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/packaged"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/serviceuser"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/warnings"
)

const (
	formatText     = "text"
	formatMarkdown = "markdown"
	formatEnv      = "env"
)

// anyUser means that the service may run as another user than the command.
const anyUser = -1

func (p *program) configCommand() *cobra.Command {
	var format string
	var check bool
	formats := []string{formatText, formatMarkdown, formatEnv}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and print all settings",
		Long: `Prints every setting with its value, where the value comes from, and what it
means; or else every mistake in them. It warns of what is unwise. The formats
markdown and env print the defaults instead: env is a file for --env-file, ready to
be edited. With --check it also reads all files that the settings name, as a start
does, and prints every mistake in them; it writes nothing. The exit code is 64 if
there is one.`,
		Example: `  sudo tlslift config --check
  tlslift config --format env >tlslift.env`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := asService(cmd, p); err != nil {
				return err
			}
			if check {
				if err := configcheck.Run(p.load); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "the settings and the files that they name are good")
				return failed(err)
			}
			return p.printConfig(cmd.OutOrStdout(), cmd.ErrOrStderr(), format)
		},
	}
	cmd.Flags().StringVar(&format, "format", formatText, "`FORMAT`: "+strings.Join(formats, ", "))
	cmd.Flags().BoolVar(&check, "check", false, "read all files that the settings name, and print every mistake")
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (p *program) printConfig(w, notes io.Writer, format string) error {
	switch format {
	case formatText:
		cfg, err := p.load()
		if err != nil {
			return err
		}
		for _, found := range warnings.Of(cfg, anyUser) {
			fmt.Fprintln(notes, "warning:", found)
		}
		return failed(p.source().Write(w))
	case formatMarkdown:
		_, err := io.WriteString(w, settings.Markdown())
		return failed(err)
	case formatEnv:
		_, err := io.WriteString(w, settings.ExampleEnvFile())
		return failed(err)
	}
	return fmt.Errorf("--format: %q is not a format; use text, markdown or env", format)
}

// source returns where the settings come from.
func (p *program) source() settings.Source {
	s := settings.Source{Environ: p.environ, EnvFile: settingsFile(p), Terminal: isTerminal(p.stderr), Asks: p.asks}
	if found := p.packaged(); found.StateDir != "" && s.Environ[settings.StateDirectoryName] == "" {
		s.Environ = maps.Clone(s.Environ)
		s.Environ[settings.StateDirectoryName] = found.StateDir // as systemd does it for the service
	}
	return s
}

// settingsFile returns the file with settings; empty if there is none.
func settingsFile(p *program) string {
	return cmp.Or(p.envFile, p.environ[settings.EnvFileName], p.packaged().EnvFile)
}

// findPackaged returns the settings of the service that a package has installed, unless
// others were given, and says once to a person which file that is.
func findPackaged(p *program, m packaged.Machine) packaged.Found {
	if p.envFile != "" {
		return packaged.Found{}
	}
	found := m.Find(p.environ)
	p.unread = found.Unread
	if found.EnvFile != "" && isTerminal(p.stderr) {
		fmt.Fprintf(p.log, "tlslift: the settings are those of the service, in %s\n", found.EnvFile)
	}
	return found
}

// load returns all settings. Its error has a line for everything that is wrong.
func (p *program) load() (*settings.Config, error) { return p.source().Load() }

// asService runs the command again as the user of the service, if it is one of root and there
// is such a user. Its error is then the exit code; nil means to go on here.
func asService(cmd *cobra.Command, p *program) error {
	return asServiceWith(cmd, p, func(*settings.Config) io.Reader { return p.stdin })
}

// asServiceWith is asService with another standard input.
func asServiceWith(cmd *cobra.Command, p *program, stdin func(*settings.Config) io.Reader) error {
	if again == nil || os.Geteuid() != 0 {
		return nil
	}
	file := strings.TrimPrefix(settingsFile(p), "-")
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return nil // a pipe, which cannot be read twice
	}
	cfg, _ := p.load() // the command reports what is wrong when it goes on
	if cfg == nil || cfg.StateDir == "" {
		return nil
	}
	code, ran, err := again(cmd.Context(), serviceuser.Command{
		Args: os.Args[1:], Environ: p.environ, Stdin: stdin(cfg), Stdout: p.stdout, Stderr: p.stderr,
	}, cfg.StateDir)
	switch {
	case err != nil:
		return failed(fmt.Errorf("going on as the owner of %s: %w; run the command as that user", cfg.StateDir, err))
	case ran:
		return exitStatus(code)
	}
	return nil
}

// isTerminal reports whether a person sees what is written to f.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
