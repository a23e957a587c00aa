package inventory

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// A client that gets a name has one entry, with all that was known of its address and
// of the name.
func TestNamingAClientRenamesIt(t *testing.T) {
	t.Parallel()
	store := &memory{}
	v := New(Options{Store: store})
	v.Closed(lifted("192.0.2.7", noon))
	failed := lifted("192.0.2.7", noon.Add(time.Hour))
	failed.Reason = record.ReasonSMTPAuthFailed
	v.Closed(failed)
	v.Closed(lifted("192.0.2.8", noon)) // of the same name
	named := lifted("192.0.2.9", noon.Add(-time.Hour))
	named.ClientName, named.Accepted = "scanner", 2
	v.Closed(named)
	v.Closed(lifted("192.0.2.10", noon)) // has none
	names := map[string]string{"192.0.2.7": "scanner", "192.0.2.8": "scanner", "192.0.2.9": "scanner"}
	nameOf := func(a netip.Addr) string { return names[a.String()] }
	if got := v.Rename(nameOf); len(got) != 2 || got[1].Address.String() != "192.0.2.7" {
		t.Errorf("got %+v", got)
	}
	c, ok := v.Client("scanner")
	if !ok || c.Outcomes[record.OutcomeLifted] != 4 || c.BytesFromClient != 4000 || c.Accepted != 2 || c.FailedInSession != 1 ||
		!c.FirstSeen.Equal(noon.Add(-time.Hour)) || !c.LastSeen.Equal(noon.Add(time.Hour+3*time.Second)) ||
		!c.Failing(noon.Add(2*time.Hour)) || c.Address.String() != "192.0.2.7" || c.Name != "scanner" {
		t.Errorf("got %+v", c)
	}
	if all := v.Snapshot(); len(all) != 2 {
		t.Errorf("%d clients: %+v", len(all), all)
	}
	if got := v.Recent("scanner", 0, 0); len(got) != 4 || got[0].Number != 1 || got[3].Number != 4 {
		t.Errorf("got %+v", got)
	}
	if got := v.Rename(nameOf); len(got) != 0 {
		t.Errorf("renamed again: %+v", got)
	}
	running(v)()
	if got := len(New(Options{Store: store}).Snapshot()); got != 2 {
		t.Errorf("%d clients were saved", got)
	}
}

// Sessions from before the last mail that was accepted are not among those since.
func TestSessionsBeforeTheLastMail(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	for range 3 {
		v.Closed(lifted("192.0.2.7", noon.Add(-24*time.Hour)))
	}
	named := lifted("192.0.2.7", noon)
	named.ClientName, named.Accepted = "scanner", 1
	v.Closed(named)
	v.Rename(func(netip.Addr) string { return "scanner" })
	if c, _ := v.Client("scanner"); c.Accepted != 1 || c.SessionsWithoutMail != 0 {
		t.Errorf("%d accepted, none in the last %d sessions", c.Accepted, c.SessionsWithoutMail)
	}
}
