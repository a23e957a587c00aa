// Package roff writes manual pages in the man macros of roff.
//
// It knows nothing of commands: what is on a page is up to its caller.
package roff

import (
	"bytes"
	"fmt"
	"strings"
)

// A Page is a manual page.
type Page struct{ bytes.Buffer }

// escape keeps text from being read as roff's own: an escape, a request at the beginning of a
// line, or a hyphen that no terminal can search for.
var escape = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'")

// Text returns text as it is written on a page.
func Text(s string) string { return strings.TrimPrefix(escape.Replace("\n"+s), "\n") }

// New returns a page with its title.
func New(name string, section int, version string) *Page {
	p := &Page{}
	fmt.Fprintf(p, ".TH %s %d \"\" \"tlslift %s\"\n", strings.ToUpper(Text(name)), section, Text(version))
	return p
}

// Section begins a section.
func (p *Page) Section(title string) { fmt.Fprintf(p, ".SH %s\n", title) }

// Paragraphs writes paragraphs. Lines that are indented, or follow one that is, stay as they
// are.
func (p *Page) Paragraphs(s string) {
	for i, paragraph := range strings.Split(strings.Trim(s, "\n"), "\n\n") {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		if lines := "\n" + paragraph; strings.Contains(lines, "\n ") || strings.Contains(lines, "\n\t") {
			p.Verbatim(paragraph)
			continue
		}
		fmt.Fprintf(p, "%s\n", Text(paragraph))
	}
}

// Verbatim writes lines as they are.
func (p *Page) Verbatim(s string) { fmt.Fprintf(p, ".nf\n%s\n.fi\n", Text(s)) }
