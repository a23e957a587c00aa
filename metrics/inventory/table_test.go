package inventory

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

const printers = 200

// withPrinters returns an inventory with printers that were seen first.
func withPrinters(o Options) *Inventory {
	v := New(o)
	for i := range printers {
		r := lifted(numbered(1<<20+i), noon)
		r.ClientName = fmt.Sprint("printer-", i)
		v.Closed(r)
	}
	return v
}

func countPrinters(v *Inventory) int {
	n := 0
	for _, c := range v.Snapshot() {
		if c.Name != "" {
			n++
		}
	}
	return n
}

// maxGrowth is how much memory a hundred thousand addresses may need, each with
// texts as long as possible: some ten thousand of them are kept.
const maxGrowth = 32 << 20

func TestScanEvictsNoServedClient(t *testing.T) {
	for name, record := range map[string]func(string, time.Time) *record.Record{
		"from outside": func(addr string, at time.Time) *record.Record {
			return refusedBy(record.ReasonClientNotAllowed, addr, at)
		},
		"from inside": func(addr string, at time.Time) *record.Record {
			r := refusedBy(record.ReasonDestinationNotAllowed, addr, at)
			r.ServerName, r.OfferedVersion = hostile[0], "TLS 1.2"
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := withPrinters(Options{})
			before := heap()
			for i := range 3 * defaultMaxClients {
				v.Closed(record(numbered(i), noon.Add(time.Duration(i)*time.Millisecond)))
			}
			grown := heap() - before
			t.Logf("%d clients, heap grown by %d kB", len(v.Snapshot()), grown>>10)
			if got := countPrinters(v); got != printers {
				t.Errorf("%d of %d printers are left", got, printers)
			}
			if n := len(v.Snapshot()); n > defaultMaxClients+printers || name == "from outside" && n > defaultMaxClients/10+printers {
				t.Errorf("%d clients are kept", n)
			}
			if grown > maxGrowth {
				t.Errorf("the heap has grown by %d bytes, more than %d", grown, maxGrowth)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// When every client was served, the one seen longest ago is evicted; never for an
// untrusted client, and never one with a name.
func TestTheOneSeenLongestAgoIsEvicted(t *testing.T) {
	t.Parallel()
	v := withPrinters(Options{MaxClients: 3})
	served := []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}
	for i, addr := range append(served, "192.0.2.1") {
		v.Closed(lifted(addr, noon.Add(time.Duration(i)*time.Minute)))
	}
	v.Closed(refusedBy(record.ReasonClientNotAllowed, "203.0.113.5", noon.Add(time.Hour)))
	for _, addr := range served {
		if _, ok := v.Client(addr); !ok {
			t.Errorf("%s was evicted for an untrusted client", addr)
		}
	}
	v.Closed(refusedBy(record.ReasonSSL3Only, "192.0.2.9", noon.Add(time.Hour)))
	v.Closed(refusedBy(record.ReasonSSL3Only, "192.0.2.10", noon.Add(time.Hour)))
	for addr, want := range map[string]bool{
		"203.0.113.5": false, "192.0.2.1": true, "192.0.2.2": false, "192.0.2.3": true, "192.0.2.9": false, "192.0.2.10": true,
	} {
		if _, ok := v.Client(addr); ok != want {
			t.Errorf("%s is known: %v", addr, ok)
		}
	}
	if countPrinters(v) != printers {
		t.Errorf("%d printers are left", countPrinters(v))
	}
}

// A flood of addresses that are all served evicts no client that has a name or has come
// for a day; if they are those of one host, it evicts nobody else's at all.
func TestFloodOfServedAddresses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		addr  func(i int) string
		known bool // a printer that has come for a minute stays
		most  int
	}{
		"IPv6":     {func(i int) string { return fmt.Sprintf("2001:db8:1:2::%x", i+1) }, true, defaultMaxClients / 10},
		"loopback": {func(i int) string { return fmt.Sprintf("127.0.%d.%d", i/250, i%250+1) }, true, defaultMaxClients / 10},
		"IPv4":     {numbered, false, defaultMaxClients},
	} {
		v := withPrinters(Options{})
		v.Closed(lifted("192.0.2.1", noon))
		v.Closed(lifted("192.0.2.2", noon))
		v.Closed(lifted("192.0.2.2", noon.Add(25*time.Hour)))
		for i := range defaultMaxClients + 100 {
			v.Closed(lifted(tc.addr(i), noon.Add(26*time.Hour)))
		}
		if n := len(v.Snapshot()); n > tc.most+printers+2 {
			t.Errorf("%s: %d clients are kept", name, n)
		}
		if countPrinters(v) != printers {
			t.Errorf("%s: %d of %d printers are left", name, countPrinters(v), printers)
		}
		if _, known := v.Client("192.0.2.1"); known != tc.known {
			t.Errorf("%s: the printer of a minute is known: %v", name, known)
		}
		if _, known := v.Client("192.0.2.2"); !known {
			t.Errorf("%s: the printer of a day was evicted", name)
		}
		if _, known := v.Client(tc.addr(defaultMaxClients + 99)); !known {
			t.Errorf("%s: the last one is not known", name)
		}
	}
}

// An untrusted client whose network is allowed later is a client like any other.
func TestUntrustedClientIsServedLater(t *testing.T) {
	t.Parallel()
	v := New(Options{MaxClients: 20})
	v.Closed(refusedBy(record.ReasonClientNotAllowed, "192.0.2.7", noon))
	v.Closed(lifted("192.0.2.7", noon.Add(time.Minute)))
	for i := range 100 {
		v.Closed(refusedBy(record.ReasonClientNotAllowed, numbered(i), noon.Add(time.Hour)))
	}
	if c, ok := v.Client("192.0.2.7"); !ok || c.Outcomes[record.OutcomeRefused] != 1 || c.Outcomes[record.OutcomeLifted] != 1 {
		t.Errorf("got %+v, %v", c, ok)
	}
}
