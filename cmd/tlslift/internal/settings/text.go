package settings

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Write writes the values in force. Load has reported what is wrong with them.
func (s Source) Write(w io.Writer) error {
	all, _ := s.values()
	lines := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(lines, "SETTING\tVALUE\tFROM\tMEANING")
	for _, row := range table {
		v := all[Prefix+row.name]
		text := row.shown(v.text)
		if text == "" {
			text = "(" + cmp.Or(plain(row.defText), "none") + ")"
		}
		fmt.Fprintf(lines, "%s%s\t%s\t%s\t%s\n", Prefix, row.name, text, v.origin, plain(row.meaning))
	}
	return lines.Flush()
}

// plain takes the Markdown out of a text.
func plain(s string) string { return strings.ReplaceAll(s, "`", "") }

// Markdown returns the settings with their defaults as a Markdown table.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| setting | default | meaning |\n|---|---|---|\n")
	for _, row := range table {
		def := cmp.Or(row.defText, "none")
		if row.def != "" {
			def = "`" + row.def + "`"
		}
		fmt.Fprintf(&b, "| `%s%s` | %s | %s |\n", Prefix, row.name, def, row.meaning)
	}
	return b.String()
}

// ExampleEnvFile returns an env file in which every setting is commented out, so
// that a later release may change a default that nobody chose.
func ExampleEnvFile() string {
	var b strings.Builder
	b.WriteString("# Settings of tlslift. What is commented out has its default.\n")
	for _, row := range table {
		fmt.Fprintf(&b, "\n# %s\n", plain(row.meaning))
		if row.defText != "" {
			fmt.Fprintf(&b, "# default: %s\n", plain(row.defText))
		}
		fmt.Fprintf(&b, "#%s%s=%s\n", Prefix, row.name, row.def)
	}
	return b.String()
}

// shown returns what may be printed of a value.
func (row setting) shown(text string) string {
	if row.secret {
		return redactURL(text)
	}
	return text
}

// redactURL hides user and password. It goes by the last @ instead of parsing,
// so that it also works for what is not a URL.
func redactURL(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return s
	}
	scheme := ""
	if i := strings.Index(s[:at], "://"); i >= 0 {
		scheme = s[:i+len("://")]
	}
	return scheme + "xxxxx" + s[at:]
}
