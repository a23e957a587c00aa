package inventory

import (
	"container/list"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// A rank says who gives way to whom. It only rises.
type rank int

const (
	// stranger: never allowed to connect. Anyone can be one.
	stranger rank = iota
	// fruitless: allowed to connect, but never got through. It may be a broken
	// printer, or a scan from inside.
	fruitless
	// served: has been passed or lifted.
	served
	ranks
)

func rankOf(r *record.Record) rank {
	switch {
	case r.Reason == record.ReasonClientNotAllowed:
		return stranger
	case r.Outcome == record.OutcomePassed, r.Outcome == record.OutcomeLifted:
		return served
	}
	return fruitless
}

// An entry is a client in its place.
type entry struct {
	client Client
	latest ring
	asked  time.Time // when reverse DNS was asked last
	rank   rank
	order  *list.Element // in places.orders
}

// places has room for a number of clients.
type places struct {
	max    int
	byKey  map[string]*entry
	orders [ranks]list.List // of *entry, the one seen last first
}

func newPlaces(max int) places { return places{max: max, byKey: make(map[string]*entry)} }

// admit returns the place of a client that is seen now with this rank, and
// whether it had that place before; nil if there is none for it.
func (p *places) admit(key string, r rank) (*entry, bool) {
	if e, ok := p.byKey[key]; ok {
		p.raise(e, max(r, e.rank))
		return e, true
	}
	if !p.makeRoom(r) {
		return nil, false
	}
	e := &entry{rank: r, client: Client{Client: key}}
	e.order = p.orders[r].PushFront(e)
	p.byKey[key] = e
	return e, false
}

// raise puts a client in front of those of its rank.
func (p *places) raise(e *entry, r rank) {
	p.orders[e.rank].Remove(e.order)
	e.rank = r
	e.order = p.orders[r].PushFront(e)
}

// makeRoom says whether there is a place for a client of a rank, which it may
// take from another.
func (p *places) makeRoom(r rank) bool {
	if r == stranger && p.orders[stranger].Len() >= p.max/10 {
		return p.dropLast(stranger)
	}
	if len(p.byKey) < p.max || p.dropLast(stranger) {
		return true
	}
	return r != stranger && (p.dropLast(fruitless) || p.dropLast(served))
}

// dropLast forgets the client of a rank that was seen longest ago.
func (p *places) dropLast(r rank) bool {
	last := p.orders[r].Back()
	if last == nil {
		return false
	}
	p.drop(last.Value.(*entry))
	return true
}

func (p *places) drop(e *entry) {
	p.orders[e.rank].Remove(e.order)
	delete(p.byKey, e.client.Client)
}

// expire forgets who was not seen since, and says whether there were any.
func (p *places) expire(since time.Time) bool {
	before := len(p.byKey)
	for r := range p.orders {
		for last := p.orders[r].Back(); last != nil; last = p.orders[r].Back() {
			e := last.Value.(*entry)
			if !e.client.LastSeen.Before(since) {
				break
			}
			p.drop(e)
		}
	}
	return len(p.byKey) < before
}

// share is how many connections are kept of each client: fewer when there are
// many clients, so that all of them together take no more than some 20 MB.
func (p *places) share() int {
	const all, most, least = 40000, 20, 4
	return max(least, min(most, all/max(1, len(p.byKey))))
}
