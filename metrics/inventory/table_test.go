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
			for i := range 100_000 {
				v.Closed(record(numbered(i), noon.Add(time.Duration(i)*time.Millisecond)))
			}
			grown := heap() - before
			t.Logf("%d clients, heap grown by %d kB", len(v.Snapshot()), grown>>10)
			if got := countPrinters(v); got != printers {
				t.Errorf("%d of %d printers are left", got, printers)
			}
			if n := len(v.Snapshot()); n > defaultMaxClients || name == "from outside" && n > defaultMaxClients/10+printers {
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
// untrusted client.
func TestTheOneSeenLongestAgoIsEvicted(t *testing.T) {
	t.Parallel()
	v := withPrinters(Options{MaxClients: printers})
	again := lifted("192.0.2.1", noon.Add(time.Hour))
	again.ClientName = "printer-0"
	v.Closed(again)
	v.Closed(refusedBy(record.ReasonClientNotAllowed, "203.0.113.5", noon.Add(time.Hour)))
	if _, ok := v.Client("203.0.113.5"); ok || countPrinters(v) != printers {
		t.Error("a printer was evicted for an untrusted client")
	}
	v.Closed(refusedBy(record.ReasonSSL3Only, "192.0.2.9", noon.Add(time.Hour)))
	v.Closed(refusedBy(record.ReasonSSL3Only, "192.0.2.10", noon.Add(time.Hour)))
	if _, ok := v.Client("printer-1"); ok {
		t.Error("the one seen longest ago is still there")
	}
	if _, ok := v.Client("192.0.2.10"); !ok || countPrinters(v) != printers-1 {
		t.Errorf("%d printers are left", countPrinters(v))
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
