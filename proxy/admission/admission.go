// Package admission says which clients may connect, and how many connections they may
// have at the same time.
package admission

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/tlslift/tlslift/proxy/record"
)

// An Admission counts connections against the limit of all clients and the limit of
// each client. It is safe for concurrent use.
type Admission struct {
	nets         []netip.Prefix
	max          int
	maxPerClient int

	mu        sync.Mutex
	total     int
	perClient map[netip.Addr]int // only clients with open connections
}

// New returns an Admission for the clients of some networks.
func New(nets []netip.Prefix, most, mostPerClient int) *Admission {
	return &Admission{nets: nets, max: most, maxPerClient: mostPerClient, perClient: map[netip.Addr]int{}}
}

// Admit reserves a place for one connection of addr, or returns a *record.Failure that
// says why not. The caller gives the place back with Leave.
func (a *Admission) Admit(addr netip.Addr) error {
	if !Within(a.nets, addr) {
		return record.Fail(record.ReasonClientNotAllowed, fmt.Errorf("client %s", addr))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total >= a.max {
		return record.Fail(record.ReasonTooManyConnections, fmt.Errorf("%d connections", a.total))
	}
	if a.perClient[addr] >= a.maxPerClient {
		return record.Fail(record.ReasonTooManyFromClient, fmt.Errorf("%d connections", a.perClient[addr]))
	}
	a.total++
	a.perClient[addr]++
	return nil
}

// Leave gives the place of one connection back.
func (a *Admission) Leave(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	if a.perClient[addr]--; a.perClient[addr] == 0 {
		delete(a.perClient, addr)
	}
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
