package inventory

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// signedIn returns the record of a session that was signed in to a mailbox, of a client
// whose TLS is modern.
func signedIn(addr, mailbox, login string, start time.Time) *record.Record {
	r := lifted(addr, start)
	r.OfferedVersion, r.Rule, r.Mailbox, r.Login = "TLS 1.2", record.RuleSignIn, mailbox, login
	return r
}

// passed returns the record of a connection that needed nothing.
func passed(addr string, start time.Time) *record.Record {
	r := lifted(addr, start)
	r.OfferedVersion, r.Rule, r.Outcome, r.ClientTLS, r.UpstreamTLS = "TLS 1.3", record.RuleCapable, record.OutcomePassed, nil, nil
	return r
}

// The last session says which mailbox and login a client has, whatever ends after it.
func TestMailboxOfAClient(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	const printer = "192.0.2.7"
	wrong := signedIn(printer, "", "", noon.Add(3*time.Hour))
	wrong.Reason, wrong.Outcome = record.ReasonSigninPasswordWrong, record.OutcomeRefused
	failed := signedIn(printer, "other@contoso.com", "copier9", noon.Add(3*time.Hour)) // its mailbox is known
	failed.Reason, failed.Outcome = record.ReasonMailboxRefused, record.OutcomeFailed
	for _, step := range []struct {
		record         *record.Record
		mailbox, login string
	}{
		{lifted(printer, noon), "", ""},
		{signedIn(printer, "scan@contoso.com", "copier1", noon.Add(time.Hour)), "scan@contoso.com", "copier1"},
		{signedIn(printer, "fax@contoso.com", "", noon.Add(2*time.Hour)), "fax@contoso.com", ""}, // mapped by its address
		{signedIn(printer, "scan@contoso.com", "copier1", noon), "fax@contoso.com", ""},          // it ended long ago
		{wrong, "fax@contoso.com", ""},
		{failed, "fax@contoso.com", ""},
		{passed(printer, noon.Add(4*time.Hour)), "fax@contoso.com", ""},
	} {
		v.Closed(step.record)
		c, _ := v.Client(printer)
		if c.Mailbox != step.mailbox || c.Login != step.login {
			t.Errorf("after %+v the client has %q and %q", step.record, c.Mailbox, c.Login)
		}
	}
	if last := v.Recent(printer, 0, 0)[2]; last.Mailbox != "fax@contoso.com" || last.Login != "" {
		t.Errorf("the connection has %q and %q", last.Mailbox, last.Login)
	}
}

// A client whose TLS is modern and whose password is not needs tlslift, also when it
// reaches other hosts of Microsoft 365 by itself every day.
func TestSignInIsNeeded(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		days []int // of connections that need nothing
		want bool
	}{
		"only its mail":                   {nil, true},
		"other things on the next day":    {[]int{1}, true},
		"other things for a week":         {[]int{1, 3, 7}, true},
		"other things, no mail a month":   {[]int{1, 20, 31}, false},
		"other things before and at once": {[]int{-3, 0}, true},
	} {
		v := New(Options{})
		v.Closed(signedIn("192.0.2.7", "scan@contoso.com", "copier1", noon))
		for _, day := range c.days {
			v.Closed(passed("192.0.2.7", noon.AddDate(0, 0, day)))
		}
		if got, _ := v.Client("192.0.2.7"); got.Legacy() != c.want {
			t.Errorf("%s: legacy is %v", what, got.Legacy())
		}
	}
}

type oneName struct{}

func (oneName) NameOf(netip.Addr) string { return "copier" }
func (oneName) Has(name string) bool     { return name == "copier" }

// Of two clients that become one, the mailbox of the later session stays.
func TestMailboxOfARenamedClient(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	v.Closed(signedIn("192.0.2.7", "scan@contoso.com", "copier1", noon))
	v.Closed(signedIn("192.0.2.8", "fax@contoso.com", "copier2", noon.Add(time.Hour)))
	v.Closed(passed("192.0.2.7", noon.Add(2*time.Hour)))
	v.Rename(oneName{})
	if c, _ := v.Client("copier"); c.Mailbox != "fax@contoso.com" || c.Login != "copier2" || !c.Legacy() {
		t.Errorf("got %+v", c)
	}
}
