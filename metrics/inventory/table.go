package inventory

import (
	"container/list"
	"slices"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// A rank orders clients: when the table is full, those of a lower rank are evicted
// first. The rank of a client only rises.
type rank int

const (
	// untrusted: its address was never allowed to connect. Anyone can be such a
	// client.
	untrusted rank = iota
	// neverServed: allowed to connect, but never passed or lifted. It may be a
	// broken printer, or a scan from inside.
	neverServed
	// served: has been passed or lifted.
	served
	ranks
)

func rankOf(r *record.Record) rank {
	switch {
	case r.Reason == record.ReasonClientNotAllowed:
		return untrusted
	case r.Outcome == record.OutcomePassed, r.Outcome == record.OutcomeLifted:
		return served
	}
	return neverServed
}

// An entry is a client in the table.
type entry struct {
	client  Client
	latest  ring
	rank    rank
	element *list.Element // in table.byRank
}

// A table has at most max clients.
type table struct {
	max    int
	byKey  map[string]*entry
	byRank [ranks]list.List // of *entry, the one seen last first
}

func newTable(max int) table { return table{max: max, byKey: make(map[string]*entry)} }

// admit returns the entry of a client that is seen now with this rank, and
// whether it had one before; nil if there is no room for it.
func (t *table) admit(key string, r rank) (*entry, bool) {
	if e, ok := t.byKey[key]; ok {
		t.byRank[e.rank].Remove(e.element)
		e.rank = max(r, e.rank)
		e.element = t.byRank[e.rank].PushFront(e)
		return e, true
	}
	if !t.makeRoom(r) {
		return nil, false
	}
	e := &entry{rank: r, client: Client{Client: key}}
	e.element = t.byRank[r].PushFront(e)
	t.byKey[key] = e
	return e, false
}

// makeRoom reports whether there is room for a client of a rank. It may evict
// another client for it.
func (t *table) makeRoom(r rank) bool {
	if r == untrusted && t.byRank[untrusted].Len() >= t.max/10 {
		return t.evictLast(untrusted)
	}
	if len(t.byKey) < t.max || t.evictLast(untrusted) {
		return true
	}
	return r != untrusted && (t.evictLast(neverServed) || t.evictLast(served))
}

// evictLast removes the client of a rank that was seen longest ago, and reports
// whether there was one.
func (t *table) evictLast(r rank) bool {
	last := t.byRank[r].Back()
	if last == nil {
		return false
	}
	t.remove(last.Value.(*entry))
	return true
}

func (t *table) remove(e *entry) {
	t.byRank[e.rank].Remove(e.element)
	delete(t.byKey, e.client.Client)
}

// expire removes the clients that were last seen before a time, and reports
// whether there were any.
func (t *table) expire(before time.Time) bool {
	n := len(t.byKey)
	for r := range t.byRank {
		for last := t.byRank[r].Back(); last != nil; last = t.byRank[r].Back() {
			e := last.Value.(*entry)
			if !e.client.LastSeen.Before(before) {
				break
			}
			t.remove(e)
		}
	}
	return len(t.byKey) < n
}

// sort puts the clients of each rank into the order in which they were seen, after
// some were admitted that are not seen now.
func (t *table) sort() {
	for r := range t.byRank {
		var all []*entry
		for e := t.byRank[r].Front(); e != nil; e = e.Next() {
			all = append(all, e.Value.(*entry))
		}
		slices.SortStableFunc(all, func(a, b *entry) int { return b.client.LastSeen.Compare(a.client.LastSeen) })
		t.byRank[r].Init()
		for _, e := range all {
			e.element = t.byRank[r].PushBack(e)
		}
	}
}

// connectionsPerClient returns how many connections are kept of each client: fewer
// when there are many clients, so that all of them together use about 20 MB at
// most.
func (t *table) connectionsPerClient() int {
	const all, most, least = 40000, 20, 4
	return max(least, min(most, all/max(1, len(t.byKey))))
}
