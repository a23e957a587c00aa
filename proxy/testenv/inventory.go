package testenv

import (
	"context"
	"sync"

	"github.com/tlslift/tlslift/metrics/burndown"
	"github.com/tlslift/tlslift/metrics/inventory"
)

// An Inventory has the clients and the connections that a test puts in.
type Inventory struct {
	mu          sync.Mutex
	clients     []inventory.Client
	connections []inventory.Connection
	days        []burndown.Day
	changed     chan struct{} // closed at the next connection; nil when nobody waits
}

// NewInventory returns an inventory with these clients.
func NewInventory(clients ...inventory.Client) *Inventory { return &Inventory{clients: clients} }

// Add puts a client in.
func (i *Inventory) Add(c inventory.Client) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.clients = append(i.clients, c)
}

// SetDays sets what was counted on each day.
func (i *Inventory) SetDays(days []burndown.Day) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.days = days
}

// Days returns what was counted on each day.
func (i *Inventory) Days() []burndown.Day {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]burndown.Day{}, i.days...)
}

// Snapshot returns all clients.
func (i *Inventory) Snapshot() []inventory.Client {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]inventory.Client{}, i.clients...)
}

// Client returns one client.
func (i *Inventory) Client(key string) (inventory.Client, bool) {
	for _, c := range i.Snapshot() {
		if c.Client == key {
			return c, true
		}
	}
	return inventory.Client{}, false
}

// Recent returns the connections after a number, of one client or of all.
func (i *Inventory) Recent(client string, after uint64, limit int) []inventory.Connection {
	i.mu.Lock()
	defer i.mu.Unlock()
	var found []inventory.Connection
	for _, c := range i.connections {
		if c.Number > after && (client == "" || client == c.Client) && len(found) < limit {
			found = append(found, c)
		}
	}
	return found
}

// Wait returns nil when Recent has a connection, or the error of ctx when that is
// done before.
func (i *Inventory) Wait(ctx context.Context, client string, after uint64) error {
	for {
		next := i.next() // before looking, so that no connection is missed
		if len(i.Recent(client, after, 1)) > 0 {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (i *Inventory) next() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.changed == nil {
		i.changed = make(chan struct{})
	}
	return i.changed
}

// Connect puts a connection in and gives it the next number.
func (i *Inventory) Connect(c inventory.Connection) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c.Number = uint64(len(i.connections)) + 1
	i.connections = append(i.connections, c)
	if i.changed != nil {
		close(i.changed)
		i.changed = nil
	}
}
