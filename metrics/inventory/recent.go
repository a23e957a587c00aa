package inventory

import (
	"context"
	"slices"
	"sort"
)

// maxLatest is how many connections are kept of all clients together.
const maxLatest = 1000

// A ring has the last connections of a client, or of all: at most max of them.
type ring struct {
	max   int
	list  []kept
	first int // where the oldest is; not zero only in a full ring
}

func (r *ring) len() int { return len(r.list) }

// at returns the i-th connection, the oldest first.
func (r *ring) at(i int) *kept { return &r.list[(r.first+i)%len(r.list)] }

func (r *ring) add(k kept) {
	if len(r.list) > r.max {
		r.set(r.inOrder())
	}
	switch {
	case len(r.list) < r.max && r.first > 0: // there is room for more than before
		r.set(r.inOrder())
		fallthrough
	case len(r.list) < r.max:
		if len(r.list) == cap(r.list) { // not by half: most of the memory of a client is here
			r.list = append(make([]kept, 0, min(r.max, len(r.list)+len(r.list)/4+1)), r.list...)
		}
		r.list = append(r.list, k)
	default:
		r.list[r.first] = k
		r.first = (r.first + 1) % len(r.list)
	}
}

// inOrder returns the connections, the oldest first.
func (r *ring) inOrder() []kept {
	return append(slices.Clone(r.list[r.first:]), r.list[:r.first]...)
}

// set replaces the connections by the last ones of a list.
func (r *ring) set(list []kept) {
	r.list, r.first = slices.Clip(slices.Clone(list[max(0, len(list)-r.max):])), 0
}

// since returns those with a number above after, the last max of them; all if max is not
// above zero.
func (r *ring) since(after uint64, max int) []Connection {
	first := sort.Search(r.len(), func(i int) bool { return r.at(i).number > after })
	if found := r.len() - first; max > 0 && found > max {
		first = r.len() - max
	}
	shown := make([]Connection, 0, r.len()-first)
	for i := first; i < r.len(); i++ {
		shown = append(shown, r.at(i).connection())
	}
	return shown
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
