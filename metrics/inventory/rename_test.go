package inventory

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// naming is a clients file: names by address.
type naming map[string]string

func (n naming) NameOf(a netip.Addr) string { return n[a.String()] }
func (n naming) Has(name string) bool {
	return slices.Contains(slices.Collect(maps.Values(n)), name)
}

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
	names := naming{"192.0.2.7": "scanner", "192.0.2.8": "scanner", "192.0.2.9": "scanner"}
	if got := v.Rename(names); len(got) != 2 || got[1].From != "192.0.2.7" {
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
	if got := v.Rename(names); len(got) != 0 {
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
	v.Rename(naming{"192.0.2.7": "scanner"})
	if c, _ := v.Client("scanner"); c.Accepted != 1 || c.SessionsWithoutMail != 0 {
		t.Errorf("%d accepted, none in the last %d sessions", c.Accepted, c.SessionsWithoutMail)
	}
}

// A client that gets a name keeps its place among the others: the one that was seen
// longest ago expires first. It is never evicted.
func TestRenamedClientKeepsItsPlace(t *testing.T) {
	t.Parallel()
	names := naming{"192.0.2.7": "scanner"}
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
		v.Rename(names)
		v.expire(noon.Add(3*time.Hour + time.Minute))
		if seen(v, "scanner") || !seen(v, "192.0.2.8") {
			t.Errorf("%s: expired: got %+v", what, v.Snapshot())
		}
	}
	v := New(Options{MaxClients: 2})
	for i, addr := range []string{"192.0.2.7", "192.0.2.8", "192.0.2.9"} {
		v.Closed(lifted(addr, noon.Add(time.Duration(i)*time.Hour)))
		v.Rename(names)
	}
	v.Closed(lifted("192.0.2.10", noon.Add(4*time.Hour)))
	if !seen(v, "scanner") || seen(v, "192.0.2.8") || !seen(v, "192.0.2.9") {
		t.Errorf("evicted: got %+v", v.Snapshot())
	}
}

// namedConnection returns a lifted connection of a client with a name.
func namedConnection(name, addr string, start time.Time) *record.Record {
	r := lifted(addr, start)
	r.ClientName = name
	return r
}

// When an entry of the clients file gets another name, so does its client. What was
// known of the new name stays, and a name that still exists keeps what is known of it.
func TestNameThatIsGoneIsRenamed(t *testing.T) {
	t.Parallel()
	counts := func(v *Inventory) map[string]uint64 {
		all := map[string]uint64{}
		for _, c := range v.Snapshot() {
			all[c.Client] = c.Outcomes[record.OutcomeLifted]
		}
		return all
	}
	for what, test := range map[string]struct {
		names naming
		want  map[string]uint64
	}{
		"another name":            {naming{"192.0.2.7": "c", "192.0.2.8": "b"}, map[string]uint64{"c": 1, "b": 1}},
		"one that is known":       {naming{"192.0.2.7": "b", "192.0.2.8": "b"}, map[string]uint64{"b": 2}},
		"both":                    {naming{"192.0.2.7": "c", "192.0.2.8": "c"}, map[string]uint64{"c": 2}},
		"address moves":           {naming{"192.0.2.7": "b", "192.0.2.8": "b", "192.0.2.9": "a"}, map[string]uint64{"a": 1, "b": 1}},
		"swapped":                 {naming{"192.0.2.7": "b", "192.0.2.8": "a"}, map[string]uint64{"a": 1, "b": 1}},
		"no name any more":        {naming{"192.0.2.8": "b"}, map[string]uint64{"a": 1, "b": 1}},
		"no clients file anymore": {nil, map[string]uint64{"a": 1, "b": 1}},
	} {
		v := New(Options{})
		v.Closed(namedConnection("a", "192.0.2.7", noon))
		v.Closed(namedConnection("b", "192.0.2.8", noon.Add(time.Hour)))
		v.Rename(test.names)
		if got := counts(v); !maps.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", what, got, test.want)
		}
		for _, c := range v.Recent("", 0, 0) {
			if _, ok := v.Client(c.Client); !ok {
				t.Errorf("%s: a connection is that of %s, which is no client", what, c.Client)
			}
		}
	}
}

// What is known of a ClientHello is that of one ClientHello.
func TestHelloOfARenamedClient(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	hello := lifted("192.0.2.7", noon)
	hello.SSLv2Format, hello.ServerName, hello.JA3 = true, "outlook.office365.com", "abc"
	v.Closed(hello)
	v.Closed(func() *record.Record {
		r := refusedBy(record.ReasonHelloTimeout, "192.0.2.8", noon.Add(time.Hour))
		r.ClientName = "scanner"
		return r
	}())
	v.Rename(naming{"192.0.2.7": "scanner", "192.0.2.8": "scanner"})
	if c, _ := v.Client("scanner"); !c.SSLv2Format || !c.SendsSNI || c.JA3 != "abc" || c.Offered != hello.OfferedVersion {
		t.Errorf("got %+v", c)
	}
}
