package service

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/record"
)

// What the inventory has kept over a restart is what the metrics show.
func TestFactsOfTheInventory(t *testing.T) {
	t.Parallel()
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	c := inventory.Client{
		Client: "scanner", Name: "scanner", Address: netip.MustParseAddr("192.0.2.1"), JA4: "the ja4", LastSeen: at(6), LastLifted: at(5),
		LastAccepted: at(4), LastLegacy: at(6), LastCapable: at(2), LastGood: at(3),
		Failure: &inventory.Failure{At: at(6), Reason: record.ReasonSSL3Only},
	}
	want := metrics.Facts{
		Address: c.Address, Name: "scanner", JA4: "the ja4", LastSeen: at(6), LastLifted: at(5), LastAccepted: at(4), LastLegacy: at(6),
		LastCapable: at(2), LastSuccess: at(3), LastFailure: at(6), Reason: record.ReasonSSL3Only,
	}
	if got := factsOf([]inventory.Client{c}); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// However often clients get names, the metrics count what the inventory counts.
func TestRenamedClientsAgree(t *testing.T) {
	t.Parallel()
	s := &known{inventory: inventory.New(inventory.Options{}), metrics: metrics.New(metrics.Options{})}
	seen := &events{metrics: s.metrics, inventory: s.inventory}
	random := rand.New(rand.NewPCG(1, 2))
	var table *clientfile.Table
	for i := range 500 {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(8))})
		r := &record.Record{Client: addr, ClientName: table.NameOf(addr), Start: time.Unix(int64(i), 0), Outcome: record.OutcomeLifted}
		seen.Closed(r)
		if i%10 > 0 {
			continue
		}
		var err error
		text := fmt.Sprintf("clients: [{name: a%d, address: [192.0.2.1, 192.0.2.2]}, {name: b%d, address: [192.0.2.%d, 192.0.2.5]}]",
			random.IntN(3), random.IntN(3), 3+random.IntN(2))
		if table, err = clientfile.Parse([]byte(text)); err != nil {
			t.Fatal(err)
		}
		s.rename(table)
		want := map[string]float64{}
		for _, c := range s.inventory.Snapshot() {
			want[c.Client] = float64(c.Outcomes[record.OutcomeLifted])
		}
		if got := connectionsByClient(t, s.metrics); !maps.Equal(got, want) {
			t.Fatalf("after %d connections and %s:\nmetrics   %v\ninventory %v", i, text, got, want)
		}
	}
}

// Whoever is forgotten has no series any more, and no line on the status page.
func TestForget(t *testing.T) {
	t.Parallel()
	seen := newEvents(&memory{})
	s := &Service{
		known: known{inventory: seen.inventory, metrics: seen.metrics}, events: seen, log: slog.New(slog.DiscardHandler),
	}
	for addr, name := range map[string]string{"192.0.2.31": "scanner 2nd/floor", "192.0.2.32": ""} {
		seen.Closed(&record.Record{
			Client: netip.MustParseAddr(addr), ClientName: name, Start: time.Now(), Outcome: record.OutcomeLifted,
		})
	}
	if !forget(s, "scanner 2nd/floor") || forget(s, "scanner 2nd/floor") {
		t.Error("forgot a client never or twice")
	}
	if all := s.inventory.Snapshot(); len(all) != 1 || all[0].Client != "192.0.2.32" {
		t.Errorf("left: %+v", all)
	}
	if got := connectionsByClient(t, s.metrics); len(got) != 1 || got["192.0.2.32"] != 1 {
		t.Errorf("series: %v", got)
	}
}

func connectionsByClient(t *testing.T, m *metrics.Metrics) map[string]float64 {
	t.Helper()
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		for _, series := range family.GetMetric() {
			for _, pair := range series.GetLabel() {
				if family.GetName() == "tlslift_client_connections_total" && pair.GetName() == "client" {
					all[pair.GetValue()] += series.GetCounter().GetValue()
				}
			}
		}
	}
	return all
}
