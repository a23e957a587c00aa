// Package report writes the result of a comparison for people and for programs.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/bench"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/subject"
)

// A Format is a way to write a result.
type Format struct {
	Name  string
	File  string // its name in a directory
	Write func(w io.Writer, r *bench.Result) error
}

// Formats returns all formats.
func Formats() []Format {
	return []Format{
		{"table", "performance.txt", Table},
		{"markdown", "performance.md", Markdown},
		{"json", "performance.json", JSON},
		{"svg", "performance.svg", SVG},
	}
}

// JSON writes all that is known, with each sample.
func JSON(w io.Writer, r *bench.Result) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// number writes a value with the digits of its figure.
func number(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }

// cellText returns what a table shows: the median and how far the extremes are apart.
func cellText(c bench.Cell, f bench.Figure) string {
	switch c.Status {
	case bench.Measured:
		if len(c.Samples) < 2 {
			return number(c.Median, f.Digits)
		}
		return fmt.Sprintf("%s (%.0f %%)", number(c.Median, f.Digits), c.Spread*100)
	case bench.Refused:
		return "refused"
	}
	return "-"
}

func ratioText(f bench.Figure) string {
	if f.Ratio == 0 {
		return "-"
	}
	return number(f.Ratio, 2)
}

// label returns a subject's name with its version.
func label(s subject.Subject) string {
	if s.Version == "" {
		return s.Title
	}
	return s.Title + " " + s.Version
}

// taking returns the subjects with at least one cell that is not empty.
func taking(r *bench.Result) []subject.Subject {
	var with []subject.Subject
	for _, s := range r.Subjects {
		for _, f := range r.Figures {
			if f.Cells[s.ID].Status != bench.None {
				with = append(with, s)
				break
			}
		}
	}
	return with
}

// notes returns one line for each reason why a subject has no number, with the works that
// it is for.
func notes(r *bench.Result) []string {
	var lines []string
	for _, s := range r.Subjects {
		if s.Skipped != "" {
			lines = append(lines, s.Title+" takes no part: it "+s.Skipped+".")
			continue
		}
		var reasons []string // what is said, in order
		works := map[string][]string{}
		for _, f := range r.Figures {
			c := f.Cells[s.ID]
			said := s.Title + " takes no part in %s: it " + c.Why + "."
			if c.Status == bench.Refused {
				said = s.Title + " refused %s: " + strings.ReplaceAll(c.Why, "%", "%%") + "."
			} else if c.Status != bench.None {
				continue
			}
			if works[said] == nil {
				reasons = append(reasons, said)
			}
			if !slices.Contains(works[said], f.Work) {
				works[said] = append(works[said], f.Work)
			}
		}
		for _, said := range reasons {
			lines = append(lines, fmt.Sprintf(said, strings.Join(works[said], ", ")))
		}
	}
	return lines
}

// machineLines say where and how it was measured.
func machineLines(r *bench.Result) []string {
	m := r.Machine
	lines := []string{
		"command: " + r.Command,
		fmt.Sprintf("machine: %s/%s, kernel %s, %d cores, %s", m.OS, m.Arch, m.Kernel, m.Cores, m.CPU),
		"CPU features: " + strings.Join(m.Features, " "),
		fmt.Sprintf("load average (1 minute): %s at the start, %s at the end", m.LoadBefore, m.LoadAfter),
		fmt.Sprintf("medians of %d rounds; in parentheses how far the extremes are apart; less is better", r.Rounds),
	}
	if r.Quick {
		lines = append(lines, "--quick: too little was done to compare anything")
	}
	return lines
}

// rows returns the table: a heading, and a row for each figure.
func rows(r *bench.Result) [][]string {
	subjects := taking(r)
	head := []string{"work", "unit"}
	for _, s := range subjects {
		head = append(head, label(s))
	}
	table := [][]string{append(head, "tlslift / best peer")}
	for _, f := range r.Figures {
		row := []string{f.Title, f.Unit}
		for _, s := range subjects {
			row = append(row, cellText(f.Cells[s.ID], f))
		}
		table = append(table, append(row, ratioText(f)))
	}
	return table
}

// Table writes the result for a terminal.
func Table(w io.Writer, r *bench.Result) error {
	table := rows(r)
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, text := range row {
			widths[i] = max(widths[i], len(text))
		}
	}
	var b strings.Builder
	for _, row := range table {
		for i, text := range row {
			if i < 2 {
				fmt.Fprintf(&b, "%-*s  ", widths[i], text)
			} else {
				fmt.Fprintf(&b, "%*s  ", widths[i], text)
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for _, line := range append(machineLines(r), notes(r)...) {
		b.WriteString(line + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// Markdown writes the result for a document.
func Markdown(w io.Writer, r *bench.Result) error {
	var b strings.Builder
	for i, row := range rows(r) {
		for j, text := range row {
			row[j] = strings.ReplaceAll(text, "|", `\|`)
		}
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|---|---|" + strings.Repeat("--:|", len(row)-2) + "\n")
		}
	}
	b.WriteString("\n")
	for _, line := range append(machineLines(r), notes(r)...) {
		b.WriteString("- " + line + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing Markdown: %w", err)
	}
	return nil
}
