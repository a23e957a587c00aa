package service

import (
	"sync"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/successor"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
)

// A gate is the store of the inventory, which saves nothing while it is closed.
type gate struct {
	inventory.Store

	mu     sync.Mutex // held while something is saved
	closed bool
}

// Save implements inventory.Store.
func (g *gate) Save(text []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	return g.Store.Save(text)
}

// set closes or opens the gate.
func (g *gate) set(closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = closed
}

// events counts what becomes of connections: in the metrics and in the inventory of this
// process, or after a hand-over in those of its successor, and never in both. It
// implements proxy.Observer.
type events struct {
	metrics   *metrics.Metrics
	inventory *inventory.Inventory
	store     *gate

	// mu is held for reading while a connection is counted, so that each is on one side
	// of the moment at which the inventory is saved for a successor.
	mu      sync.RWMutex
	next    receiver // nil before a hand-over
	journal *journal // nil unless a successor is starting
}

// A receiver is a successor that counts the connections of this process.
type receiver interface {
	// Send sends a connection, without waiting for anybody.
	Send(event successor.Event)
	// Close sends the rest, and returns how many were lost.
	Close() int
}

// A journal has the connections that have ended, and the clients that were forgotten, since
// the inventory was saved for a successor.
type journal struct {
	mu  sync.Mutex
	all []successor.Event
}

func (j *journal) add(e successor.Event) {
	if j == nil {
		return
	}
	if e.Record != nil {
		copied := *e.Record
		e.Record = &copied
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = append(j.all, e)
}

// Opened implements proxy.Observer.
func (e *events) Opened(listener string) { e.metrics.Opened(listener) }

// Closed implements proxy.Observer.
func (e *events) Closed(r *record.Record) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.next != nil {
		e.next.Send(successor.Event{Record: r})
		return
	}
	e.metrics.Closed(r)
	e.inventory.Closed(r)
	e.journal.add(successor.Event{Record: r, Counted: true})
}

// receive counts a connection of the process before this one.
func (e *events) receive(event successor.Event) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.next != nil {
		e.next.Send(event)
		return
	}
	if event.Forgotten != "" {
		e.forgetHere(event.Forgotten)
		return
	}
	if !event.Counted {
		e.metrics.Opened(event.Record.Listener)
		e.metrics.Closed(event.Record)
		event.Counted = true
	}
	e.inventory.Closed(event.Record)
	e.journal.add(event)
}

// forget forgets a client, here and in a successor; it reports whether there was one.
func (e *events) forget(key string) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.next != nil {
		e.next.Send(successor.Event{Forgotten: key})
	}
	return e.forgetHere(key)
}

// forgetHere forgets a client here, and in a successor that is starting. e.mu is held for
// reading.
func (e *events) forgetHere(key string) bool {
	if !e.inventory.Forget(key) {
		return false
	}
	e.metrics.Forget(key)
	e.journal.add(successor.Event{Forgotten: key})
	return true
}

// freeze saves the inventory as it is now for a successor, and then nothing more. What
// ends from now on is for the journal too.
func (e *events) freeze() error {
	e.store.set(true)
	e.mu.Lock()
	state := inventory.StateOf(e.inventory)
	e.journal = &journal{}
	e.mu.Unlock()
	return e.store.Store.Save(state.Encode())
}

// thaw goes on as before, when there is no successor after all.
func (e *events) thaw() error {
	e.mu.Lock()
	e.journal = nil
	e.mu.Unlock()
	e.store.set(false)
	return e.store.Save(inventory.StateOf(e.inventory).Encode())
}

// handOver sends the journal to a successor, and what ends from now on.
func (e *events) handOver(next receiver) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range e.journal.all {
		next.Send(event)
	}
	e.next, e.journal = next, nil
}

// close sends the rest, and returns how many connections the successor does not know of.
func (e *events) close() int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.next == nil {
		return 0
	}
	return e.next.Close()
}
