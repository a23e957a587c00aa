package inventory

import (
	"container/list"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
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
	// regular: served, and has come for at least a day.
	regular
	// named: is in the clients file. Such a client is never evicted.
	named
	ranks
)

// regularFor is how long a client has come that is no newcomer any more. A flood of
// addresses that is new evicts what is new.
const regularFor = 24 * time.Hour

func rankOf(r *record.Record) rank {
	switch {
	case r.ClientName != "":
		return named
	case r.Reason == record.ReasonClientNotAllowed:
		return untrusted
	case r.Outcome == record.OutcomePassed, r.Outcome == record.OutcomeLifted:
		return served
	}
	return neverServed
}

// An entry is a client in the table.
type entry struct {
	client Client
	latest ring
	rank   rank
	group  netip.Prefix // of its address; invalid for a client with a name
	// Its elements in table.all and in that of its group; the latter is nil without a
	// group.
	element, inGroup *list.Element
}

// An order has clients by their rank: lists of *entry, the one seen last first.
type order [ranks]list.List

// len returns how many clients there are up to a rank.
func (o *order) len(highest rank) int {
	n := 0
	for r := range highest + 1 {
		n += o[r].Len()
	}
	return n
}

// last returns the client that was seen longest ago, of the lowest rank up to one; nil if
// there is none.
func (o *order) last(highest rank) *entry {
	for r := range highest + 1 {
		if e := o[r].Back(); e != nil {
			return e.Value.(*entry)
		}
	}
	return nil
}

// A table has at most max clients without a name, and at most a tenth of that of one group
// of addresses: one host may take any number of them.
type table struct {
	max       int
	groupBits int
	byKey     map[string]*entry
	all       order
	groups    map[netip.Prefix]*order
}

func newTable(max, groupBits int) table {
	return table{max: max, groupBits: groupBits, byKey: map[string]*entry{}, groups: map[netip.Prefix]*order{}}
}

// maxOfGroup returns how many clients without a name there may be of one group.
func (t *table) maxOfGroup() int { return max(16, t.max/10) }

// admit returns the entry of a client that is seen now with this rank, and
// whether it had one before; nil if there is no room for it.
func (t *table) admit(key string, addr netip.Addr, r rank) (*entry, bool) {
	if e, ok := t.byKey[key]; ok {
		t.raise(e, r)
		return e, true
	}
	e := &entry{rank: r, client: Client{Client: key}}
	if r != named {
		e.group = netname.Group(addr, t.groupBits)
		if !t.makeRoom(e) {
			return nil, false
		}
	}
	t.byKey[key] = e
	t.link(e)
	return e, false
}

// raise puts a client in front of those of its rank; the rank is r from now on if that is
// higher.
func (t *table) raise(e *entry, r rank) {
	t.unlink(e)
	e.rank = max(r, e.rank)
	t.link(e)
}

// link puts a client in front of those of its rank.
func (t *table) link(e *entry) {
	e.element = t.all[e.rank].PushFront(e)
	if !e.group.IsValid() {
		return
	}
	group := t.groups[e.group]
	if group == nil {
		group = new(order)
		t.groups[e.group] = group
	}
	e.inGroup = group[e.rank].PushFront(e)
}

// unlink undoes link.
func (t *table) unlink(e *entry) {
	t.all[e.rank].Remove(e.element)
	if e.inGroup == nil {
		return
	}
	group := t.groups[e.group]
	group[e.rank].Remove(e.inGroup)
	e.inGroup = nil
	if group.len(named) == 0 {
		delete(t.groups, e.group)
	}
}

// makeRoom reports whether there is room for a client without a name. It may evict
// another one for it.
func (t *table) makeRoom(e *entry) bool {
	highest := [ranks]rank{untrusted: untrusted, neverServed: served, served: regular, regular: regular}[e.rank] // that gives way
	if group := t.groups[e.group]; group != nil && group.len(regular) >= t.maxOfGroup() {
		return t.evict(group.last(highest))
	}
	if e.rank == untrusted && t.all[untrusted].Len() >= t.max/10 {
		return t.evict(t.all.last(untrusted))
	}
	return t.all.len(regular) < t.max || t.evict(t.all.last(highest))
}

// evict removes a client, and reports whether there was one.
func (t *table) evict(e *entry) bool {
	if e == nil {
		return false
	}
	t.remove(e)
	return true
}

func (t *table) remove(e *entry) {
	t.unlink(e)
	delete(t.byKey, e.client.Client)
}

// expire removes the clients that were last seen before a time, and returns them.
func (t *table) expire(before time.Time) (expired []*entry) {
	for r := range t.all {
		for last := t.all[r].Back(); last != nil; last = t.all[r].Back() {
			e := last.Value.(*entry)
			if !e.client.LastSeen.Before(before) {
				break
			}
			t.remove(e)
			expired = append(expired, e)
		}
	}
	return expired
}

// sort puts the clients of each rank into the order in which they were seen, after
// some were admitted that are not seen now.
func (t *table) sort() {
	all := slices.SortedFunc(maps.Values(t.byKey), func(a, b *entry) int { return a.client.LastSeen.Compare(b.client.LastSeen) })
	for _, e := range all {
		t.raise(e, e.rank)
	}
}

// connectionsPerClient returns how many connections are kept of each client: fewer
// when there are many clients, so that all of them together use about 20 MB at
// most.
func (t *table) connectionsPerClient() int {
	const all, most, least = 40000, 20, 4
	return max(least, min(most, all/max(1, len(t.byKey))))
}
