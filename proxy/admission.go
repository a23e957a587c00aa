package proxy

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/tlslift/tlslift/proxy/record"
)

// An admission counts connections against the global limit and the limit of
// each client.
type admission struct {
	nets         []netip.Prefix
	max          int
	maxPerClient int

	mu        sync.Mutex
	total     int
	perClient map[netip.Addr]int // only clients with open connections
}

func newAdmission(cfg *Config) *admission {
	return &admission{
		nets: cfg.ClientNets, max: cfg.MaxConnections,
		maxPerClient: cfg.MaxConnectionsPerClient, perClient: map[netip.Addr]int{},
	}
}

// admit reserves a place for one connection of addr, or says why not. The
// caller gives the place back with leave.
func (a *admission) admit(addr netip.Addr) error {
	if !within(a.nets, addr) {
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

func (a *admission) leave(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	if a.perClient[addr]--; a.perClient[addr] == 0 {
		delete(a.perClient, addr)
	}
}

func within(nets []netip.Prefix, addr netip.Addr) bool {
	addr = addr.WithZone("") // a prefix never contains an address with a zone
	for _, n := range nets {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}
