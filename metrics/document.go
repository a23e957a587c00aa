package metrics

import (
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// Documentation returns a Markdown table of all metrics, without those of the
// Go runtime and of the process.
func Documentation() string {
	rows := [][]string{{"metric", "type", "labels", "meaning"}}
	for _, d := range definitions {
		rows = append(rows, []string{code(d.fullName()), d.kind, codes(d.labels), d.help})
	}
	return markdownTable(rows)
}

// ReasonsDocumentation returns a Markdown table of all reasons why a
// connection can be refused or fail.
func ReasonsDocumentation() string {
	rows := [][]string{{"reason", "fault", "cause", "remedy"}}
	for _, r := range record.Reasons() {
		rows = append(rows, []string{code(string(r)), string(r.Fault()), r.Cause(), r.Remedy()})
	}
	return markdownTable(rows)
}

// RulesDocumentation returns a Markdown table of all rules by which a connection
// can be passed, lifted or refused.
func RulesDocumentation() string {
	rows := [][]string{{"rule", "the client is passed or lifted because", "to be passed, it would need"}}
	for _, r := range record.Rules() {
		rows = append(rows, []string{code(string(r)), r.Meaning(), r.Needs()})
	}
	return markdownTable(rows)
}

// markdownTable writes rows, the first of which is the heading.
func markdownTable(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		for _, cell := range row {
			b.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.String()
}

func code(s string) string { return "`" + s + "`" }

func codes(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = code(s)
	}
	return strings.Join(quoted, ", ")
}
