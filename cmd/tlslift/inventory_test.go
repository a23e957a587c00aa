package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
)

// What the inventory has kept over a restart is what the metrics show.
func TestFactsOfTheInventory(t *testing.T) {
	t.Parallel()
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	c := inventory.Client{
		Client: "scanner", Name: "scanner", Address: netip.MustParseAddr("192.0.2.1"), JA4: "the ja4", LastSeen: at(6), LastLifted: at(5),
		LastAccepted: at(4), LastLegacy: at(6), LastGood: at(3), Failure: &inventory.Failure{At: at(6), Reason: record.ReasonSSL3Only},
	}
	want := metrics.Facts{
		Address: c.Address, Name: "scanner", JA4: "the ja4", LastSeen: at(6), LastLifted: at(5), LastAccepted: at(4), LastLegacy: at(6),
		LastSuccess: at(3), LastFailure: at(6), Reason: record.ReasonSSL3Only,
	}
	if got := factsOf([]inventory.Client{c}); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
