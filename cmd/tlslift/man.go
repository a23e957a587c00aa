package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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

// manName is the name of a command's page, as in tlslift-clients-forget.
func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// A roff is a manual page in the man macros of roff.
type roff struct{ bytes.Buffer }

// escapeRoff keeps text from being read as roff's own: an escape, a request at the
// beginning of a line, or a hyphen that no terminal can search for.
var escapeRoff = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'")

func roffText(s string) string { return strings.TrimPrefix(escapeRoff.Replace("\n"+s), "\n") }

func newRoff(name string, section int, version string) *roff {
	r := &roff{}
	fmt.Fprintf(r, ".TH %s %d \"\" \"tlslift %s\"\n", strings.ToUpper(roffText(name)), section, roffText(version))
	return r
}

func (r *roff) section(title string) { fmt.Fprintf(r, ".SH %s\n", title) }

// text writes paragraphs. Lines that are indented, or follow one that is, stay as they are.
func (r *roff) text(s string) {
	for i, paragraph := range strings.Split(strings.Trim(s, "\n"), "\n\n") {
		if i > 0 {
			r.WriteString(".PP\n")
		}
		if strings.ContainsAny(paragraph[:1], " \t") || strings.Contains(paragraph, "\n ") || strings.Contains(paragraph, "\n\t") {
			r.verbatim(paragraph)
			continue
		}
		fmt.Fprintf(r, "%s\n", roffText(paragraph))
	}
}

// verbatim writes lines as they are.
func (r *roff) verbatim(s string) { fmt.Fprintf(r, ".nf\n%s\n.fi\n", roffText(s)) }

// flags writes a list of flags.
func (r *roff) flags(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	r.section(title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		short := ""
		if f.Shorthand != "" {
			short = "-" + f.Shorthand + ", "
		}
		fmt.Fprintf(r, ".TP\n\\fB%s\\fR \\fI%s\\fR\n%s\n", roffText(short+"--"+f.Name), roffText(value), roffText(usage))
	})
}

// manPage returns the page of one command.
func manPage(cmd *cobra.Command) []byte {
	r := newRoff(manName(cmd), 1, cmd.Root().Version)
	r.section("NAME")
	fmt.Fprintf(r, "%s \\- %s\n", roffText(manName(cmd)), roffText(strings.ToLower(cmd.Short[:1])+cmd.Short[1:]))
	r.section("SYNOPSIS")
	fmt.Fprintf(r, "\\fB%s\\fR\n", roffText(cmd.UseLine()))
	r.section("DESCRIPTION")
	if cmd.Long != "" {
		r.text(cmd.Long)
	} else {
		r.text(cmd.Short + ".")
	}
	var related []string
	if cmd.HasParent() {
		related = append(related, "\\fB"+roffText(manName(cmd.Parent()))+"\\fR(1)")
	}
	if cmd.HasAvailableSubCommands() {
		r.section("COMMANDS")
	}
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		fmt.Fprintf(r, ".TP\n\\fB%s\\fR\n%s\n", roffText(c.Name()), roffText(c.Short))
		related = append(related, "\\fB"+roffText(manName(c))+"\\fR(1)")
	}
	r.flags("OPTIONS", cmd.NonInheritedFlags())
	r.flags("OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	if cmd.Example != "" {
		r.section("EXAMPLES")
		r.verbatim(cmd.Example)
	}
	r.section("SEE ALSO")
	fmt.Fprintf(r, "%s\n", strings.Join(append(related, `\fBtlslift.env\fR(5)`), ",\n"))
	return r.Bytes()
}

// settingsPage returns the page of the file of settings.
func settingsPage(version string) []byte {
	r := newRoff("tlslift.env", 5, version)
	r.section("NAME")
	fmt.Fprintf(r, "tlslift.env \\- settings of tlslift\n")
	r.section("DESCRIPTION")
	r.text("A file of NAME=value lines, for --env-file and TLSLIFT_ENV_FILE. The variables of the environment have the same names, and win.")
	r.section("SETTINGS")
	r.verbatim(settings.ExampleEnvFile())
	r.section("SEE ALSO")
	fmt.Fprintln(r, `\fBtlslift\fR(1), \fBtlslift\-config\fR(1)`)
	return r.Bytes()
}
