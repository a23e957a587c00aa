package devicetest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest/plan"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/record"
)

// maxKept is how many tries of one device are kept.
const maxKept = 60

// A device is what is known of one. The tester's mu guards it.
type device struct {
	addr    netip.Addr
	options clientfile.Options // of the clients file
	plan    *plan.Plan
	tries   []plan.Try
	steps   []Step
	said    int           // how many of the steps have been reported
	open    int           // connections
	fewer   chan struct{} // closed when there is one less
}

// A Step is one try, as it is reported.
type Step struct {
	// Saw says what the device did, Found what that means, and Ask what to do now.
	Saw   string `json:"saw"`
	Found string `json:"found,omitempty"`
	Ask   string `json:"ask,omitempty"`
}

// take takes in a try.
func (d *device) take(t plan.Try) {
	if len(d.tries) >= maxKept || d.plan.Done() {
		return
	}
	s := Step{Saw: saw(&t)}
	if t.Outcome == plan.Nothing && slices.ContainsFunc(d.steps, func(other Step) bool { return other.Saw == s.Saw }) {
		return // a port check that comes again and again leaves room for tries
	}
	counts := t.Variant == d.plan.Variant() && t.Outcome != plan.Nothing
	d.tries = append(d.tries, t)
	d.plan.Take(t)
	if counts {
		s.Found, s.Ask = d.plan.Why, d.plan.Ask
	}
	d.steps = append(d.steps, s)
}

// news returns the lines that were not reported yet.
func (d *device) news() (lines []string) {
	for ; d.said < len(d.steps); d.said++ {
		s := d.steps[d.said]
		lines = append(lines, fmt.Sprintf("%s, try %d: %s", d.addr, d.said+1, s.Saw))
		if s.Found != "" {
			lines = append(lines, "    "+s.Found)
		}
		if s.Ask != "" {
			lines = append(lines, "--> "+s.Ask)
		}
	}
	return lines
}

// saw says what a device did in a try.
func saw(t *plan.Try) string {
	var parts []string
	switch {
	case t.Outcome == plan.Nothing:
		return "it connected to " + t.Listener + " and said nothing"
	case t.Hello == nil && t.Outcome == plan.NoTLS && t.OnlyTLS:
		return "it connected to " + t.Listener + " and waits"
	case t.Hello == nil:
		parts = append(parts, "no TLS")
	default:
		parts = append(parts, encryption(t)+", offers "+clienthello.VersionName(t.Hello.MaxVersion())+" at most")
	}
	if t.Version != "" {
		parts = append(parts, t.Version+" "+t.Suite)
	}
	if t.Reason != "" {
		parts = append(parts, string(t.Reason)+": "+strings.TrimSuffix(t.Reason.Cause(), "."))
	}
	return strings.Join(append(parts, said(t)...), "; ")
}

// encryption says how a device begins TLS.
func encryption(t *plan.Try) string {
	format := ""
	if t.Hello.Format == clienthello.SSLv2 {
		format = ", ClientHello in SSLv2 format"
	}
	if t.ImplicitTLS {
		return "SSL/TLS (implicit TLS)" + format
	}
	return "STARTTLS" + format
}

// said says what a device said in its session.
func said(t *plan.Try) (parts []string) {
	s := &t.Session
	if t.Outcome < plan.Silent && t.Outcome != plan.NoTLS {
		return nil
	}
	switch {
	case s.SignedIn:
		parts = append(parts, fmt.Sprintf("signed in with %s as %q", s.Mechanism, s.User))
	case s.Mechanism != "":
		parts = append(parts, "tried to sign in with "+s.Mechanism)
	}
	if s.Mails > 0 {
		mails := fmt.Sprintf("1 mail of %d bytes", s.MailBytes)
		if s.Mails > 1 {
			mails = fmt.Sprintf("%d mails of %d bytes at most", s.Mails, s.MailBytes)
		}
		parts = append(parts, mails)
	}
	if t.Outcome == plan.NoTLS && s.Spoke() {
		parts = append(parts, "said "+strings.Join(s.Commands, " "))
	}
	if t.Protocol == record.ProtocolTLS && t.Outcome == plan.Completed {
		parts = append(parts, "an HTTP request")
	}
	return parts
}
