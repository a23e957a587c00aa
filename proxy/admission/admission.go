// Package admission says which clients may connect, and how many connections they may
// have at the same time.
//
// Its limits go by group and not by address: a host may take any number of IPv6
// addresses. When all places are taken, it makes room at the cost of those who wait or
// have the most, and never at that of a client that the clients file names.
package admission

import (
	"cmp"
	"container/heap"
	"container/list"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// A Config is what New needs. Fields without a documented zero value are required.
type Config struct {
	// Nets are the networks that may connect; none means that nobody may.
	Nets []netip.Prefix
	// Max is how many connections there may be, MaxPerClient how many of one group.
	Max, MaxPerClient int
	// GroupBits is how many bits of an IPv6 address make a group; zero means 64.
	GroupBits int
	// Balanced means that load balancers connect, so that many PROXY headers may be awaited;
	// otherwise only a few may, of those that are added later.
	Balanced bool

	// Log gets a line when connections cannot be accepted, and one when they can again;
	// nil discards them.
	Log *slog.Logger
	// AcceptFailed is called when that begins; nil means nothing.
	AcceptFailed func(error)
}

// An Admission counts connections against the limit of all clients and the limit of
// each group of addresses. It is safe for concurrent use.
type Admission struct {
	cfg        Config
	maxAwaited int
	open       chan struct{} // has one element for each open connection
	shortage   shortage

	mu       sync.Mutex
	total    int
	unnamed  int // of total, those of clients without a name
	reserved int // places that only named clients get
	groups   map[groupKey]*group
	crowd    crowd                       // the groups of clients without a name
	awaiting int                         // how many headers are awaited
	awaited  map[netip.Prefix]*list.List // of *Place, by group of balancers, oldest first
	number   uint64                      // of the last place
}

// A Client is who asks for a place.
type Client struct {
	Addr netip.Addr
	// Name is its name in the clients file; empty if it has none.
	Name string
}

// New returns an Admission.
func New(cfg Config) *Admission {
	return &Admission{
		cfg: cfg, maxAwaited: cfg.mostAwaited(), groups: map[groupKey]*group{}, awaited: map[netip.Prefix]*list.List{},
		open:     make(chan struct{}, MaxOpen(cfg.Max, cfg.Balanced)),
		shortage: shortage{log: cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)), began: cfg.AcceptFailed},
	}
}

// Reserve keeps a tenth of the places for clients with a name, if there are such.
func (a *Admission) Reserve(named int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reserved = 0
	if named > 0 {
		a.reserved = a.cfg.Max / 10
	}
}

// Set replaces the networks and the limit of each group. Connections that have a place
// keep it.
func (a *Admission) Set(nets []netip.Prefix, mostPerClient int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cfg.Nets, a.cfg.MaxPerClient = nets, mostPerClient
}

// IsFull reports whether no more connections are accepted before others are closed.
func (a *Admission) IsFull() bool { return len(a.open) == cap(a.open) }

// Enter takes a place for one connection, or returns a *record.Failure that says why
// not. The caller gives the place back with Leave. Cut is called, with the reason, if
// another connection gets the place before: it must not block.
func (a *Admission) Enter(c Client, cut func(error)) (*Place, error) {
	key := groupKey{c.Name, netname.Group(c.Addr, a.cfg.GroupBits)}
	a.mu.Lock()
	if !Within(a.cfg.Nets, c.Addr) {
		a.mu.Unlock()
		return nil, record.Fail(record.ReasonClientNotAllowed, fmt.Errorf("client %s", c.Addr))
	}
	place, shed, err := a.enter(key, cut)
	a.mu.Unlock()
	shed.end()
	return place, err
}

// enter takes a place, and returns the one that was given up for it, if there is one.
func (a *Admission) enter(key groupKey, cut func(error)) (place, shed *Place, err error) {
	own := a.groups[key]
	if own.size() >= a.cfg.MaxPerClient {
		return nil, nil, record.Fail(record.ReasonTooManyFromClient, fmt.Errorf("%d connections of %s", own.size(), key.addrs))
	}
	if a.isFull(key) {
		if shed = a.victim(own); shed == nil {
			return nil, nil, record.Fail(record.ReasonTooManyConnections, fmt.Errorf("%d connections", a.total))
		}
		a.remove(shed)
		own = a.groups[key] // it may have been the last one of its group
	}
	if own == nil {
		own = &group{key: key}
		a.groups[key] = own
		if key.name == "" {
			heap.Push(&a.crowd, own)
		}
	}
	a.number++
	place = &Place{admission: a, group: own, number: a.number, cut: cut}
	place.element = own.waiting.PushBack(place)
	a.count(own, 1)
	return place, shed, nil
}

// isFull reports whether there is no free place for a client.
func (a *Admission) isFull(key groupKey) bool {
	return a.total >= a.cfg.Max || key.name == "" && a.unnamed >= a.cfg.Max-a.reserved
}

// victim returns the place that has to be given up for a newcomer; nil if there is none.
// First come connections that have not got past their hello: the oldest of the group that
// has the most of them. Then comes the oldest of the group with the most connections, if
// it has more than its share and more than the newcomer's.
func (a *Admission) victim(newcomer *group) *Place {
	if len(a.crowd) == 0 {
		return nil
	}
	largest := a.crowd[0]
	if oldest := largest.waiting.Front(); oldest != nil {
		return oldest.Value.(*Place)
	}
	groups := len(a.groups)
	if newcomer == nil {
		groups++
	}
	if largest.size() <= max(a.cfg.Max/groups, newcomer.size()+1) {
		return nil
	}
	return largest.settled.Front().Value.(*Place)
}

// count adds to the numbers of places, after those of a group have changed.
func (a *Admission) count(of *group, n int) {
	a.total += n
	if of.key.name != "" {
		return
	}
	a.unnamed += n
	heap.Fix(&a.crowd, of.index)
}

// remove gives a place back, unless that was done before.
func (a *Admission) remove(p *Place) {
	if p.element == nil {
		return
	}
	list := p.list()
	list.Remove(p.element)
	p.element = nil
	if p.group == nil {
		a.awaiting--
		if list.Len() == 0 {
			delete(a.awaited, p.from)
		}
		return
	}
	a.count(p.group, -1)
	if p.group.size() > 0 {
		return
	}
	delete(a.groups, p.group.key)
	if p.group.key.name == "" {
		heap.Remove(&a.crowd, p.group.index)
	}
}

// Await takes a place for a connection of a load balancer whose PROXY header is still to
// come: it says who the client is. When too many are awaited, the oldest is cut of the
// group of addresses that has the most. The caller gives the place back with Leave.
func (a *Admission) Await(balancer netip.Addr, cut func(error)) *Place {
	a.mu.Lock()
	var shed *Place
	if a.awaiting >= a.maxAwaited {
		shed = a.longestAwaited()
		a.remove(shed)
	}
	a.number++
	p := &Place{admission: a, from: netname.Group(balancer, a.cfg.GroupBits), number: a.number, cut: cut}
	if a.awaited[p.from] == nil {
		a.awaited[p.from] = list.New()
	}
	p.element = a.awaited[p.from].PushBack(p)
	a.awaiting++
	a.mu.Unlock()
	shed.end()
	return p
}

// longestAwaited returns the oldest place of the group with the most awaited headers, and of
// equal groups the oldest of all.
func (a *Admission) longestAwaited() (oldest *Place) {
	most := 0
	for _, awaited := range a.awaited {
		first := awaited.Front().Value.(*Place)
		if n := awaited.Len(); n > most || n == most && first.number < oldest.number {
			most, oldest = n, first
		}
	}
	return oldest
}

// Within reports whether one of the networks contains addr.
func Within(nets []netip.Prefix, addr netip.Addr) bool {
	addr = addr.WithZone("") // a prefix never contains an address with a zone
	for _, n := range nets {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// errShed says why a connection was cut.
var errShed = errors.New("all places are taken, and another client needed one")
