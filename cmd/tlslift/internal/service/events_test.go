package service

import (
	"encoding/json"
	"io/fs"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/successor"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
)

// A memory is a store of an inventory.
type memory struct {
	mu   sync.Mutex
	text []byte
}

// Load implements inventory.Store.
func (m *memory) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.text == nil {
		return nil, fs.ErrNotExist
	}
	return m.text, nil
}

// Save implements inventory.Store.
func (m *memory) Save(text []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.text = text
	return nil
}

// SetAside implements inventory.Store.
func (m *memory) SetAside() error { return nil }

// saved returns how many connections are saved.
func (m *memory) saved(t *testing.T) (n uint64) {
	t.Helper()
	var state struct{ Clients []inventory.Client }
	if err := json.Unmarshal(m.text, &state); err != nil {
		t.Fatal(err)
	}
	for _, c := range state.Clients {
		n += c.Outcomes[record.OutcomeLifted]
	}
	return n
}

func newEvents(store inventory.Store) *events {
	g := &gate{Store: store}
	return &events{metrics: metrics.New(metrics.Options{}), inventory: inventory.New(inventory.Options{Store: g}), store: g}
}

// ended is a connection of a client that has ended.
func ended() *record.Record {
	return &record.Record{
		Listener: "smtp://:25", Client: netip.MustParseAddr("192.0.2.1"), Start: time.Unix(1, 0), Outcome: record.OutcomeLifted,
	}
}

// known returns how many connections an inventory has.
func (e *events) known() (n uint64) {
	for _, c := range e.inventory.Snapshot() {
		n += c.Outcomes[record.OutcomeLifted]
	}
	return n
}

// A next is the other process.
type next struct{ *events }

// Send implements receiver.
func (n next) Send(e successor.Event) { n.receive(e) }

// Close implements receiver.
func (n next) Close() int { return 0 }

// Whenever a hand-over comes, and if one has failed before, each connection is in one
// inventory in the end, and once.
func TestHandOverCountsOnce(t *testing.T) {
	t.Parallel()
	const clients, each = 8, 500
	disk := &memory{}
	e := newEvents(disk)
	half := make(chan struct{}, clients)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for i := range each {
				if i == each/2 {
					half <- struct{}{}
				}
				e.Opened("smtp://:25")
				e.Closed(ended())
			}
		})
	}
	<-half
	if err := e.freeze(); err != nil {
		t.Fatal(err)
	}
	if err := e.thaw(); err != nil { // it has failed
		t.Fatal(err)
	}
	if err := e.freeze(); err != nil {
		t.Fatal(err)
	}
	saved := disk.saved(t)
	if err := e.store.Save([]byte("late")); err != nil || disk.saved(t) != saved {
		t.Errorf("it is saved again after that: %v", err)
	}
	other := newEvents(disk) // it loads what was saved
	e.handOver(next{other})
	all.Wait()
	if got := other.known(); got != clients*each {
		t.Errorf("the successor knows of %d connections, want %d; %d were saved", got, clients*each, saved)
	}
	// One more hand-over, which passes on what the first process sends.
	if err := other.freeze(); err != nil {
		t.Fatal(err)
	}
	third := newEvents(disk)
	e.Closed(ended()) // for the journal
	other.handOver(next{third})
	e.Closed(ended())
	if got := third.known(); got != clients*each+2 {
		t.Errorf("the third process knows of %d connections, want %d", got, clients*each+2)
	}
	if days := third.inventory.Days(); len(days) != 1 || days[0].Lifted != 1 {
		t.Errorf("its days are %+v, want one with one client", days)
	}
	if got := connectionsByClient(t, third.metrics)["192.0.2.1"]; got != 1 {
		t.Errorf("its metrics have %v, want that of the last", got)
	}
}

// A client that is forgotten while a successor starts, or just before this process ends,
// does not come back with what the successor has loaded. What it does later is counted.
func TestForgottenInAHandOver(t *testing.T) {
	t.Parallel()
	const client = "192.0.2.1"
	disk := &memory{}
	e := newEvents(disk)
	e.Closed(ended())
	e.Closed(ended())
	if err := e.freeze(); err != nil {
		t.Fatal(err)
	}
	second := newEvents(disk) // it has loaded both
	e.Closed(ended())
	if !e.forget(client) || e.forget(client) || e.forget("nobody") {
		t.Error("forgot a client never or twice")
	}
	e.Closed(ended())
	e.handOver(next{second})
	if got := second.known(); got != 1 {
		t.Errorf("the successor knows of %d connections, want the one since", got)
	}
	if err := second.freeze(); err != nil {
		t.Fatal(err)
	}
	third := newEvents(disk)
	e.forget(client) // on the way through the second process
	second.handOver(next{third})
	if got := third.known(); got != 0 {
		t.Errorf("the third process knows of %d connections of a client that was forgotten", got)
	}
	e.forget(client)
	e.Closed(ended())
	if got := third.known(); got != 1 {
		t.Errorf("the third process knows of %d connections, want the last one", got)
	}
}
