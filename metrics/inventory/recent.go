package inventory

import (
	"context"
	"slices"
)

// maxLatest is how many connections are kept of all clients together.
const maxLatest = 1000

// A ring has the last connections, the oldest first.
type ring struct {
	max  int
	list []*Connection
}

func (r *ring) add(c *Connection) {
	if over := len(r.list) + 1 - r.max; over > 0 {
		r.list = slices.Delete(r.list, 0, over)
	}
	r.list = append(r.list, c)
}

// since returns copies of those with a number above after, the last max of
// them; all if max is not above zero.
func (r *ring) since(after uint64, max int) []Connection {
	first, _ := slices.BinarySearchFunc(r.list, after+1, func(c *Connection, n uint64) int {
		if c.Number < n {
			return -1
		}
		return 1
	})
	found := r.list[first:]
	if max > 0 && len(found) > max {
		found = found[len(found)-max:]
	}
	copies := make([]Connection, len(found))
	for i, c := range found {
		copies[i] = *c
	}
	return copies
}

// Recent returns the last connections of a client, or of all if client is
// empty, whose number is above after: at most max of them, the oldest first. Zero
// for max means all that are kept, which are the last 1000 of all and, while
// there are no more than 2000 clients, the last 20 of each. A number that was
// not reached yet is from an earlier run of tlslift, and counts as zero.
func (v *Inventory) Recent(client string, after uint64, max int) []Connection {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.recent(client, after, max)
}

// recent is Recent for who holds v.mu.
func (v *Inventory) recent(client string, after uint64, max int) []Connection {
	if after > v.number {
		after = 0
	}
	if client == "" {
		return v.latest.since(after, max)
	}
	e, ok := v.clients.byKey[client]
	if !ok {
		return nil
	}
	return e.latest.since(after, max)
}

// Wait returns nil as soon as Recent has a connection of the client, or of any
// if client is empty, whose number is above after; or else the error of ctx when
// that is done.
func (v *Inventory) Wait(ctx context.Context, client string, after uint64) error {
	for {
		next := v.next(client, after)
		if next == nil {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// next returns a channel that is closed at the next connection of any client;
// nil if Recent has a connection already.
func (v *Inventory) next(client string, after uint64) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.recent(client, after, 1)) > 0 {
		return nil
	}
	if v.changed == nil {
		v.changed = make(chan struct{})
	}
	return v.changed
}
