package checkclient

import (
	"fmt"
	"io"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/printing"
)

const (
	nameWidth = 18
	textWidth = 76
)

// Print writes a report, or its JSON.
func (r Report) Print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printing.JSON(w, r)
	}
	_, err := io.WriteString(w, r.text())
	return err
}

// text returns a report for people.
func (r Report) text() string {
	var b strings.Builder
	b.WriteString(r.Client)
	if r.Address != "" && r.Address != r.Client {
		fmt.Fprintf(&b, " (%s)", r.Address)
	}
	b.WriteString("\n")
	if r.Note != "" {
		row(&b, "note", r.Note)
	}
	if !r.Connected && r.Note == "" {
		row(&b, "note", "no tlslift that runs has seen it yet")
	}
	Section(&b, "What it speaks", r.Speaks)
	Section(&b, "What tlslift does with it", r.Tlslift)
	if r.Connected && len(r.Fails) == 0 {
		Section(&b, "Why it fails", []Field{{"", "It has not failed."}})
	}
	Section(&b, "Why it failed last", r.Fails)
	for _, p := range r.Panel {
		Section(&b, "What to type on its panel, for "+p.Listener, p.Type)
	}
	Section(&b, "What it has to trust", []Field{{"ca", r.CA}})
	return b.String()
}

// Section writes fields below a title; nothing if there are none.
func Section(b *strings.Builder, title string, all []Field) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, f := range all {
		row(b, strings.ReplaceAll(f.Name, "_", " "), f.Value)
	}
}

// row writes a name and the lines beside it.
func row(b *strings.Builder, name, text string) {
	printing.Row(b, fmt.Sprintf("  %-*s", nameWidth, name), 2+nameWidth, text, textWidth)
}
