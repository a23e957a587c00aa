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

// A client that gets a name keeps its place among the others: the one that was seen
// longest ago is evicted and expires first.
func TestRenamedClientKeepsItsPlace(t *testing.T) {
	t.Parallel()
	nameOf := func(a netip.Addr) string {
		if a.String() == "192.0.2.7" {
			return "scanner"
		}
		return ""
	}
	seen := func(v *Inventory, name string) bool { _, ok := v.Client(name); return ok }
	for what, earlier := range map[string]string{"new name": "", "known name": "scanner"} {
		v := New(Options{MaxClients: 3, Expiry: 3 * time.Hour})
		if earlier != "" {
			named := lifted("192.0.2.9", noon.Add(-time.Hour))
			named.ClientName = earlier
			v.Closed(named)
		}
		v.Closed(lifted("192.0.2.7", noon))
		v.Closed(lifted("192.0.2.8", noon.Add(time.Hour)))
		v.Rename(nameOf)
		v.expire(noon.Add(3*time.Hour + time.Minute))
		if seen(v, "scanner") || !seen(v, "192.0.2.8") {
			t.Errorf("%s: expired: got %+v", what, v.Snapshot())
		}
	}
	v := New(Options{MaxClients: 3})
	for i, addr := range []string{"192.0.2.7", "192.0.2.8", "192.0.2.9"} {
		v.Closed(lifted(addr, noon.Add(time.Duration(i)*time.Hour)))
	}
	v.Rename(nameOf)
	v.Closed(lifted("192.0.2.10", noon.Add(4*time.Hour)))
	if seen(v, "scanner") || !seen(v, "192.0.2.8") {
		t.Errorf("evicted: got %+v", v.Snapshot())
	}
}
