package check

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/printing"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

const (
	statusWidth = 9
	nameWidth   = 16
	textWidth   = 74 // of what stands beside the names
	// maxText bounds what is shown of one check.
	maxText = 1000
)

// clean returns a text as it may be shown, in one line.
func clean(s string) string { return netname.Text(s, maxText) }

// failureOf returns the failure in an error that has a reason; nil if it has none.
func failureOf(err error) *record.Failure {
	var f *record.Failure
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// colours are those of terminals.
var colours = map[Status]string{OK: "32", Warning: "33", Failed: "1;31", Skipped: "2"}

// A Printer prints results.
type Printer struct {
	Out io.Writer
	// JSON prints one object at the end; false means a table, a line for each check.
	JSON bool
	// Colours are for terminals.
	Colours bool
}

// Each prints one result.
func (p Printer) Each(r Result) {
	if p.JSON {
		return
	}
	var b strings.Builder
	says := r.Says
	if r.Subject != "" {
		says = r.Subject + ": " + says
	}
	if r.Reason != "" {
		says += " (" + string(r.Reason) + ")"
	}
	p.row(&b, r.Status, strings.ReplaceAll(string(r.Check), "_", " "), says)
	if r.Remedy != "" {
		p.row(&b, "", "remedy", r.Remedy)
	}
	_, _ = io.WriteString(p.Out, b.String()) // a reader that is gone is noticed at the end
}

// row writes a text beside a status and a name.
func (p Printer) row(b *strings.Builder, status Status, name, text string) {
	shown := fmt.Sprintf("%-*s", statusWidth, string(status))
	if p.Colours && status != "" {
		shown = "\x1b[" + colours[status] + "m" + shown + "\x1b[0m"
	}
	printing.Row(b, fmt.Sprintf("%s%-*s", shown, nameWidth, name), statusWidth+nameWidth, clean(text), textWidth)
}

// End prints what comes after the last result. Its error is that of writing.
func (p Printer) End(r Report) error {
	if p.JSON {
		return printing.JSON(p.Out, r)
	}
	_, err := fmt.Fprintf(p.Out, "\n%s\n", r.Summary())
	return err
}

// Summary says in one line how it is.
func (r Report) Summary() string {
	switch {
	case r.Failed > 0:
		return fmt.Sprintf("%s failed, %s", counted(r.Failed, "check"), counted(r.Warnings, "warning"))
	case r.Warnings > 0:
		return "No check failed; " + counted(r.Warnings, "warning")
	}
	return "All is well."
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Err returns why a report is no success; nil if it is one. With strict, warnings are none.
func (r Report) Err(strict bool) error {
	if r.Failed > 0 || strict && r.Warnings > 0 {
		return errors.New(r.Summary())
	}
	return nil
}
