package settings

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// textWidth is how wide the texts for people are, where words permit.
const textWidth = 100

// Write writes the values in force, where they come from and what they mean. Load
// has reported what is wrong with them.
func (s Source) Write(w io.Writer) error {
	all, _ := s.values()
	column := 0 // of the values
	for _, name := range names() {
		column = max(column, len(name)+2)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s%s\n", column, "SETTING", "VALUE [WHERE IT COMES FROM], MEANING")
	for _, row := range table {
		v := all[Prefix+row.name]
		text := row.shown(v.text)
		if text == "" {
			text = "(" + cmp.Or(plain(row.defText), "none") + ")"
		}
		name := Prefix + row.name
		for _, paragraph := range []string{text + " [" + v.origin + "]", plain(row.meaning)} {
			for _, line := range Wrap(paragraph, textWidth-column) {
				fmt.Fprintf(&b, "%-*s%s\n", column, name, line)
				name = ""
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Wrap breaks a text into lines of at most so many characters: between words, and
// after the commas of a word that is longer than a line. What has neither stays
// whole.
func Wrap(text string, width int) []string {
	var lines []string
	line := ""
	length := utf8.RuneCountInString
	for word := range strings.SplitSeq(text, " ") {
		blank := " "
		pieces := []string{word}
		if length(word) > width {
			pieces = strings.SplitAfter(word, ",")
		}
		for _, piece := range pieces {
			switch {
			case line == "":
				line = piece
			case length(line+blank+piece) <= width:
				line += blank + piece
			default:
				lines, line = append(lines, line), piece
			}
			blank = ""
		}
	}
	return append(lines, line)
}

// plain takes the Markdown out of a text.
func plain(s string) string { return strings.ReplaceAll(s, "`", "") }

// Markdown returns the settings with their defaults as a Markdown table.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| setting | default | changed by | meaning |\n|---|---|---|---|\n")
	for _, row := range table {
		def := cmp.Or(row.defText, "none")
		if row.def != "" {
			def = "`" + row.def + "`"
		}
		by := "SIGHUP"
		if row.atStart {
			by = "restart"
		}
		fmt.Fprintf(&b, "| `%s%s` | %s | %s | %s |\n", Prefix, row.name, def, by, row.meaning)
	}
	return b.String()
}

// ExampleEnvFile returns an env file in which every setting is commented out, so
// that a later release may change a default that nobody chose.
func ExampleEnvFile() string {
	var b strings.Builder
	b.WriteString("# Settings of tlslift. What is commented out has its default.\n")
	for _, row := range table {
		b.WriteString("\n")
		comments := []string{plain(row.meaning)}
		if row.defText != "" {
			comments = append(comments, "default: "+plain(row.defText))
		}
		for _, comment := range comments {
			for _, line := range Wrap(comment, textWidth-len("# ")) {
				fmt.Fprintf(&b, "# %s\n", line)
			}
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
