package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/proxy/record"
)

// docBlocks are the generated parts of README.md, by name.
func docBlocks() map[string]string {
	return map[string]string{
		"settings":   settingsMarkdown(),
		"metrics":    metrics.Documentation(),
		"reasons":    metrics.ReasonsDocumentation(),
		"log-fields": logFieldsMarkdown(),
		"exit-codes": exitCodesMarkdown(),
	}
}

// docsCommand is for those who work on README.md.
func (p *program) docsCommand() *cobra.Command {
	blocks := docBlocks()
	names := []string{"settings", "metrics", "reasons", "log-fields", "exit-codes"}
	return &cobra.Command{
		Use:       "docs NAME",
		Short:     "Print a generated part of README.md",
		Hidden:    true,
		ValidArgs: names,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), blocks[args[0]])
			return failed(err)
		},
	}
}

const (
	formatText     = "text"
	formatMarkdown = "markdown"
	formatEnv      = "env"
)

func (p *program) configCommand() *cobra.Command {
	var format string
	formats := []string{formatText, formatMarkdown, formatEnv}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and print all settings",
		Long: `Prints every setting with its value, where the value comes from, and what it
means; or everything that is wrong with them. The formats markdown and env
document the defaults instead: env is a file for --env-file, ready to be edited.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.printConfig(cmd.OutOrStdout(), format)
		},
	}
	cmd.Flags().StringVar(&format, "format", formatText, "`FORMAT`: "+strings.Join(formats, ", "))
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (p *program) printConfig(w io.Writer, format string) error {
	switch format {
	case formatText:
		if _, err := p.load(); err != nil {
			return err
		}
		return failed(p.writeSettings(w))
	case formatMarkdown:
		_, err := io.WriteString(w, settingsMarkdown())
		return failed(err)
	case formatEnv:
		_, err := io.WriteString(w, settingsEnv())
		return failed(err)
	}
	return fmt.Errorf("--format: %q is not a format; use text, markdown or env", format)
}

// writeSettings writes the values in force. load has reported what is wrong.
func (p *program) writeSettings(w io.Writer) error {
	all, _ := p.values()
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tVALUE\tFROM\tMEANING")
	for _, s := range settings {
		v := all[prefix+s.name]
		text := s.shown(v.text)
		if text == "" {
			text = "(" + cmp.Or(plain(s.defText), "none") + ")"
		}
		fmt.Fprintf(table, "%s%s\t%s\t%s\t%s\n", prefix, s.name, text, v.origin, plain(s.meaning))
	}
	return table.Flush()
}

// plain takes the Markdown out of a text.
func plain(s string) string { return strings.ReplaceAll(s, "`", "") }

func settingsMarkdown() string {
	var b strings.Builder
	b.WriteString("| setting | default | meaning |\n|---|---|---|\n")
	for _, s := range settings {
		def := cmp.Or(s.defText, "none")
		if s.def != "" {
			def = "`" + s.def + "`"
		}
		fmt.Fprintf(&b, "| `%s%s` | %s | %s |\n", prefix, s.name, def, s.meaning)
	}
	return b.String()
}

// settingsEnv is an env file in which every setting is commented out, so that
// a later release may change a default that nobody chose.
func settingsEnv() string {
	var b strings.Builder
	b.WriteString("# Settings of tlslift. What is commented out has its default.\n")
	for _, s := range settings {
		fmt.Fprintf(&b, "\n# %s\n", plain(s.meaning))
		if s.defText != "" {
			fmt.Fprintf(&b, "# default: %s\n", plain(s.defText))
		}
		fmt.Fprintf(&b, "#%s%s=%s\n", prefix, s.name, s.def)
	}
	return b.String()
}

func logFieldsMarkdown() string {
	var b strings.Builder
	b.WriteString("| field | meaning |\n|---|---|\n")
	for _, f := range record.LogFields() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Name, f.Meaning)
	}
	return b.String()
}

func exitCodesMarkdown() string {
	var b strings.Builder
	b.WriteString("| exit code | meaning |\n|---|---|\n")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "| %d | %s |\n", c.code, c.meaning)
	}
	return b.String()
}
