package inventory

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

func TestReverseDNS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := map[netip.Addr]int{}
		lookup := func(ctx context.Context, a netip.Addr) ([]string, error) {
			mu.Lock()
			asked[a]++
			mu.Unlock()
			if a == netip.MustParseAddr("192.0.2.9") {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return []string{"<b>.example.com.", "Printer-7.example.com.", strings.Repeat("a.", 200)}, nil
		}
		v := New(Options{Lookup: lookup})
		defer running(v)()
		for range 50 {
			for _, a := range []string{"192.0.2.7", "192.0.2.9"} {
				v.Closed(lifted(a, time.Now()))
			}
			v.Closed(refusedBy(record.ReasonClientNotAllowed, "203.0.113.5", time.Now()))
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if c, _ := v.Client("192.0.2.7"); c.Host != "printer-7.example.com" {
			t.Errorf("the host is %q", c.Host)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(asked) != 2 || asked[netip.MustParseAddr("192.0.2.7")] != 1 || asked[netip.MustParseAddr("192.0.2.9")] != 1 {
			t.Errorf("asked %v", asked)
		}
	})
}

// A name server that does not answer delays nothing, and gets only a few questions
// at once.
func TestDeadNameServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		v := New(Options{Lookup: func(ctx context.Context, _ netip.Addr) ([]string, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			now--
			mu.Unlock()
			return nil, ctx.Err()
		}})
		stop := running(v)
		for i := range 5000 {
			v.Closed(lifted(numbered(i), time.Now()))
		}
		time.Sleep(time.Minute)
		stop()
		if most != maxLookups {
			t.Errorf("%d questions at once", most)
		}
	})
}

func TestHostName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		names []string
		want  string
	}{
		{nil, ""}, {[]string{""}, ""}, {[]string{"."}, ""}, {[]string{"a..b."}, ""},
		{[]string{"b.example.com.", "A.example.com."}, "a.example.com"},
		{[]string{"pr_1.lan"}, "pr_1.lan"}, {[]string{"a b.lan", "\x1b[2J.lan", "\u00e4.lan"}, ""},
		{[]string{strings.Repeat("a", 64) + ".lan"}, ""}, {[]string{"10.0.0.1", "127.1", "-a.lan"}, ""},
		{[]string{strings.Repeat("a", 63) + ".lan"}, strings.Repeat("a", 63) + ".lan"},
		{[]string{strings.Repeat("a.", 126) + "ab"}, ""},
	} {
		if got := hostName(test.names); got != test.want {
			t.Errorf("%q: got %q, want %q", test.names, got, test.want)
		}
	}
}

// byHost is a clients file that has one client, by its name in reverse DNS.
type byHost struct {
	v    *Inventory
	host string
}

func (b byHost) NameOf(a netip.Addr) string {
	if b.v.HostOf(a) == b.host {
		return "scanner"
	}
	return ""
}
func (b byHost) Has(name string) bool { return name == "scanner" }

// A client that the clients file has by its name in reverse DNS is renamed when the name
// is known and leads back to its address. Another device that gets the address is not it.
func TestClientByHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const host = "printer-7.example.com"
		var mu sync.Mutex
		hosts := map[string]string{"192.0.2.7": host, "192.0.2.8": host, "192.0.2.9": "fax.example.com"} // of 192.0.2.8 it is not true
		isNamed := false
		confirmed, store := 0, &memory{}
		var names byHost
		o := Options{
			Store: store,
			Lookup: func(_ context.Context, a netip.Addr) ([]string, error) {
				mu.Lock()
				defer mu.Unlock()
				return []string{hosts[a.String()]}, nil
			},
			IsNamed: func(name string) bool { return isNamed && name == host },
			Confirm: func(_ context.Context, _ string, a netip.Addr) bool {
				mu.Lock()
				defer mu.Unlock()
				confirmed++
				return a.String() == "192.0.2.7"
			},
			Named: func() { names.v.Rename(names) },
		}
		v := New(o)
		names = byHost{v, host}
		stop := running(v)
		connect := func() {
			for addr := range hosts {
				r := lifted(addr, time.Now())
				r.ClientName = names.NameOf(r.Client)
				v.Closed(r)
			}
			synctest.Wait()
		}
		known := func() (all []string) {
			for _, c := range v.Snapshot() {
				all = append(all, c.Client)
			}
			slices.Sort(all)
			return all
		}
		connect()
		if confirmed > 0 || v.HostOf(netip.MustParseAddr("192.0.2.7")) != "" {
			t.Errorf("%d names were confirmed that nobody needs", confirmed)
		}
		isNamed = true // the file is read again
		v.Rename(names)
		connect()
		if got := strings.Join(known(), " "); got != "192.0.2.8 192.0.2.9 scanner" || confirmed != 2 {
			t.Errorf("got %s, %d confirmed", got, confirmed)
		}
		connect() // by its name
		if c, _ := v.Client("scanner"); c.Outcomes[record.OutcomeLifted] != 3 || c.Host != host || !c.HostConfirmed {
			t.Errorf("got %+v", c)
		}
		stop()
		again := New(o)
		if got := again.HostOf(netip.MustParseAddr("::ffff:192.0.2.7")); got != host || again.HostOf(netip.MustParseAddr("192.0.2.8")) != "" {
			t.Errorf("after a restart it is %q", got)
		}
		defer running(v)()
		mu.Lock()
		hosts["192.0.2.7"] = "other.example.com"
		mu.Unlock()
		time.Sleep(namedLookupEvery)
		connect()
		if got := v.HostOf(netip.MustParseAddr("192.0.2.7")); got != "" {
			t.Errorf("another device is %q", got)
		}
	})
}

// The host of a client is that of the address that it has.
func TestHostOfAnotherAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := New(Options{Lookup: func(_ context.Context, a netip.Addr) ([]string, error) {
			if a.String() == "192.0.2.7" {
				return []string{"a.example.com"}, nil
			}
			return nil, nil
		}})
		defer running(v)()
		for _, step := range []struct{ addr, want string }{{"192.0.2.7", "a.example.com"}, {"192.0.2.8", ""}, {"192.0.2.7", "a.example.com"}} {
			v.Closed(namedConnection("scanner", step.addr, time.Now()))
			synctest.Wait()
			if c, _ := v.Client("scanner"); c.Host != step.want {
				t.Errorf("%s is %q", step.addr, c.Host)
			}
		}
	})
}

// However many addresses connect, names are kept of a bounded number.
func TestHostsAreBounded(t *testing.T) {
	t.Parallel()
	v := New(Options{MaxClients: 10, Lookup: func(context.Context, netip.Addr) ([]string, error) { return nil, nil }})
	for i := range 1000 {
		v.Closed(lifted(numbered(i), noon.Add(time.Duration(i)*time.Minute)))
	}
	if n := len(v.dns.hosts); n > 10 || n == 0 {
		t.Errorf("%d are kept", n)
	}
}
