package setup

import (
	"fmt"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

// width is how wide the page is, where words permit.
const width = 100

// A page is the text of the steps while it is written.
type page struct {
	b            strings.Builder
	steps, items int // how many there are, of the whole and of the last step
}

// step begins a step of the whole.
func (p *page) step(title string) {
	p.steps++
	p.items = 0
	fmt.Fprintf(&p.b, "STEP %d. %s\n\n", p.steps, title)
}

// item adds a numbered sentence to a step, with values that are written below it.
func (p *page) item(text string, values ...string) {
	p.items++
	p.wrapped(fmt.Sprintf("%3d. ", p.items), text)
	for _, v := range values {
		p.b.WriteString("       " + v + "\n")
	}
}

// text adds a paragraph to a step.
func (p *page) text(text string) {
	p.wrapped("  ", text)
	p.b.WriteByte('\n')
}

// code adds lines to copy.
func (p *page) code(lines ...string) {
	for _, line := range lines {
		p.b.WriteString(strings.TrimRight("    "+line, " ") + "\n")
	}
	p.b.WriteByte('\n')
}

// wrapped writes a text whose first line begins with a prefix, and the others with
// as many blanks.
func (p *page) wrapped(prefix, text string) {
	for _, line := range settings.Wrap(text, width-len(prefix)) {
		p.b.WriteString(prefix + line + "\n")
		prefix = strings.Repeat(" ", len(prefix))
	}
}

// quoted returns a text as a string of PowerShell or YAML, in which nothing has a
// meaning; the two are quoted alike. Check lets no other quotation mark than ' through.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// shell returns a text as a word of a shell's command.
func shell(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@._+-", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// array returns the lines of a PowerShell variable that holds a list.
func array(name string, values []string) []string {
	lines := []string{name + " = @("}
	for _, v := range values {
		lines = append(lines, "  "+quoted(v))
	}
	return append(lines, ")")
}
