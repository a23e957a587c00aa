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

// An entry is a client in the table.
type entry struct {
	client   Client
	latest   ring
	standing record.Standing
	group    netip.Prefix // of its address; invalid for a client with a name
	// Its elements in table.all and in that of its group; the latter is nil without a
	// group.
	element, inGroup *list.Element
}

// An order has clients by their standing: lists of *entry, the one seen last first.
type order [record.Standings]list.List

// len returns how many clients there are up to a standing.
func (o *order) len(highest record.Standing) int {
	n := 0
	for r := range highest + 1 {
		n += o[r].Len()
	}
	return n
}

// last returns the client that was seen longest ago, of the lowest standing up to one; nil if
// there is none.
func (o *order) last(highest record.Standing) *entry {
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

// admit returns the entry of a client that is seen now with this standing, and
// whether it had one before; nil if there is no room for it.
func (t *table) admit(key string, addr netip.Addr, r record.Standing) (*entry, bool) {
	if e, ok := t.byKey[key]; ok {
		t.raise(e, r)
		return e, true
	}
	e := &entry{standing: r, client: Client{Client: key}}
	if r != record.StandingNamed {
		e.group = netname.Group(addr, t.groupBits)
		if !t.makeRoom(e) {
			return nil, false
		}
	}
	t.byKey[key] = e
	t.link(e)
	return e, false
}

// raise puts a client in front of those of its standing; the standing is r from now on if that is
// higher.
func (t *table) raise(e *entry, r record.Standing) {
	t.unlink(e)
	e.standing = max(r, e.standing)
	t.link(e)
}

// link puts a client in front of those of its standing.
func (t *table) link(e *entry) {
	e.element = t.all[e.standing].PushFront(e)
	if !e.group.IsValid() {
		return
	}
	group := t.groups[e.group]
	if group == nil {
		group = new(order)
		t.groups[e.group] = group
	}
	e.inGroup = group[e.standing].PushFront(e)
}

// unlink undoes link.
func (t *table) unlink(e *entry) {
	t.all[e.standing].Remove(e.element)
	if e.inGroup == nil {
		return
	}
	group := t.groups[e.group]
	group[e.standing].Remove(e.inGroup)
	e.inGroup = nil
	if group.len(record.StandingNamed) == 0 {
		delete(t.groups, e.group)
	}
}

// givesWay is the highest standing that makes room for a client without a name.
var givesWay = [record.Standings]record.Standing{
	record.StandingUntrusted: record.StandingUntrusted, record.StandingUnserved: record.StandingServed,
	record.StandingServed: record.StandingRegular, record.StandingRegular: record.StandingRegular,
}

// makeRoom reports whether there is room for a client without a name. It may evict
// another one for it.
func (t *table) makeRoom(e *entry) bool {
	highest := givesWay[e.standing]
	if group := t.groups[e.group]; group != nil && group.len(record.StandingRegular) >= t.maxOfGroup() {
		return t.evict(group.last(highest))
	}
	if e.standing == record.StandingUntrusted && t.all[record.StandingUntrusted].Len() >= t.max/10 {
		return t.evict(t.all.last(record.StandingUntrusted))
	}
	return t.all.len(record.StandingRegular) < t.max || t.evict(t.all.last(highest))
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

// sort puts the clients of each standing into the order in which they were seen, after
// some were admitted that are not seen now.
func (t *table) sort() {
	all := slices.SortedFunc(maps.Values(t.byKey), func(a, b *entry) int { return a.client.LastSeen.Compare(b.client.LastSeen) })
	for _, e := range all {
		t.raise(e, e.standing)
	}
}

// connectionsPerClient returns how many connections are kept of each client: fewer
// when there are many clients, so that all of them together use about 6 MB at
// most.
func (t *table) connectionsPerClient() int {
	const all, most, least = 40000, 20, 4
	return max(least, min(most, all/max(1, len(t.byKey))))
}
