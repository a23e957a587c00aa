package mailcheck

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/printing"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// A Step is what came of one. The names are those of JSON, too, a public interface.
type Step struct {
	Name   string        `json:"step"`
	OK     bool          `json:"ok"`
	Says   string        `json:"says"` // what was found, or what is wrong
	Reason record.Reason `json:"reason,omitempty"`
	Cause  string        `json:"cause,omitempty"`
	Remedy string        `json:"remedy,omitempty"`
}

// A Report is what came of a check.
type Report struct {
	Mailbox  string          `json:"mailbox"`
	Protocol record.Protocol `json:"protocol"`
	OK       bool            `json:"ok"`
	Steps    []Step          `json:"steps"`

	err error // says which step failed first; nil if none has
}

// add adds a step; it reports whether the next one can be tried.
func (r *Report) add(name, found string, err error, c *chain) bool {
	if err == nil {
		r.Steps = append(r.Steps, Step{Name: name, OK: true, Says: found})
		return true
	}
	s := Step{Name: name, Says: err.Error()}
	var f *record.Failure
	what := ""
	if errors.As(err, &f) {
		s.Reason, s.Cause, s.Remedy = f.Reason, f.Reason.Cause(), c.remedy(f.Reason)
		what = ": " + string(f.Reason)
		s.Says = string(f.Reason)
		if f.Err != nil {
			s.Says = f.Err.Error()
		}
	}
	r.Steps = append(r.Steps, s)
	var e *stepError
	isStep := errors.As(err, &e)
	if r.err == nil {
		r.err = &stepError{err: fmt.Errorf("%s: the check failed at %q%s", r.Mailbox, name, what), usage: isStep && e.usage}
	}
	return isStep && e.goesOn
}

// remedy returns what to do. That of a refused mailbox says to run the check, which is
// what has been done.
func (c *chain) remedy(r record.Reason) string {
	if r != record.ReasonMailboxRefused {
		return r.Remedy()
	}
	who := "the application"
	first := "Look in Exchange Online PowerShell: Get-ServicePrincipal has to show the application with the Object ID of the " +
		"enterprise application, not that of the app registration; "
	if c.mailbox.Delegated {
		who, first = c.account(), "Look in Exchange Online PowerShell: "
	}
	address := c.mailbox.Address
	if c.mailbox.HVE {
		return "Look at the account in Exchange Online PowerShell: the application has to be in its list (Add-HVEAppAccess -Identity " +
			address + "), where a change takes up to 5 minutes."
	}
	remedy := fmt.Sprintf("%sGet-MailboxPermission -Identity %s has to show FullAccess for %s; ", first, address, who)
	if c.mailbox.Delegated && c.mailbox.User == "" {
		remedy = first
	}
	switch c.Protocol {
	case record.ProtocolIMAP:
		remedy += "Get-CASMailbox -Identity " + address + " has to show ImapEnabled True."
	case record.ProtocolPOP3:
		remedy += "Get-CASMailbox -Identity " + address + " has to show PopEnabled True."
	default:
		remedy += "Get-CASMailbox -Identity " + address + " has to show SmtpClientAuthenticationDisabled False."
	}
	return remedy + " Changes can take some time."
}

// A Printer prints steps.
type Printer struct {
	Out io.Writer
	// JSON prints one object at the end; false means a line for each step, as it ends.
	JSON bool
}

const (
	statusWidth = 8
	nameWidth   = 14
	textWidth   = 76 // of what stands beside the names
	// maxText is above all that a step says.
	maxText = 2000
)

// step prints the last step of a report.
func (p Printer) step(r *Report) {
	if p.JSON {
		return
	}
	s := r.Steps[len(r.Steps)-1]
	status := "ok"
	if !s.OK {
		status = "FAILED"
	}
	var b strings.Builder
	says := s.Says
	if s.Reason != "" && says != string(s.Reason) {
		says = string(s.Reason) + ": " + says
	}
	p.row(&b, status, s.Name, says)
	if s.Cause != "" {
		p.row(&b, "", "cause", s.Cause)
	}
	if s.Remedy != "" {
		p.row(&b, "", "remedy", s.Remedy)
	}
	_, _ = io.WriteString(p.Out, b.String()) // a reader that is gone is noticed at the end
}

// row writes a text beside a name; its lines stay lines.
func (p Printer) row(b *strings.Builder, status, name, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		head := fmt.Sprintf("%-*s%-*s", statusWidth, status, nameWidth, name)
		printing.Row(b, head, statusWidth+nameWidth, netname.Text(line, maxText), textWidth)
		status, name = "", ""
	}
}

// report prints the whole of a report.
func (p Printer) report(r *Report) error {
	if p.JSON {
		return printing.JSON(p.Out, r)
	}
	if !r.OK {
		return nil
	}
	_, err := fmt.Fprintf(p.Out, "All is well: tlslift can sign in to %s with %s.\n", r.Mailbox, strings.ToUpper(string(r.Protocol)))
	return err
}
