package proxy

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
)

const (
	// addressesFresh is how long looked-up addresses are used, and
	// addressesStale after how long a miss has them looked up again: names of
	// large services lead to other addresses every few minutes.
	addressesFresh = 5 * time.Minute
	addressesStale = 10 * time.Second
	// lookupTimeout bounds looking up all names of a port, and lookups how many
	// of them at a time.
	lookupTimeout = 5 * time.Second
	lookups       = 16
)

// addresses tells which allowed name leads to an address, as we look the names
// up ourselves.
type addresses struct {
	lookup func(ctx context.Context, host string, port uint16) ([]netip.Addr, error)

	mu     sync.Mutex
	byPort map[uint16]*portAddresses
}

// portAddresses are those of the exact names that a policy allows on one port.
type portAddresses struct {
	mu     sync.Mutex
	of     *policy.Policy
	at     time.Time
	byAddr map[netip.Addr]string
}

func newAddresses(lookup func(context.Context, string, uint16) ([]netip.Addr, error)) *addresses {
	return &addresses{lookup: lookup, byPort: map[uint16]*portAddresses{}}
}

// nameOf returns the first exact name that is allowed on the port and leads to
// the address; empty when there is none.
func (a *addresses) nameOf(ctx context.Context, allowed *policy.Policy, addr netip.AddrPort) string {
	names := allowed.Names(addr.Port())
	if len(names) == 0 {
		return "" // so that there are no more ports here than in the policy
	}
	p := a.port(addr.Port())
	p.mu.Lock() // others wait for the same answers
	defer p.mu.Unlock()
	age := time.Since(p.at)
	name := p.byAddr[addr.Addr()]
	if p.of == allowed && age < addressesFresh && (name != "" || age < addressesStale) {
		return name
	}
	p.of, p.at = allowed, time.Now()
	p.byAddr = a.lookUp(ctx, names, addr.Port())
	return p.byAddr[addr.Addr()]
}

func (a *addresses) port(port uint16) *portAddresses {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.byPort[port]
	if p == nil {
		p = &portAddresses{}
		a.byPort[port] = p
	}
	return p
}

// lookUp looks up all names. One that cannot be looked up leads nowhere.
func (a *addresses) lookUp(ctx context.Context, names []string, port uint16) map[netip.Addr]string {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found := make([][]netip.Addr, len(names))
	var all sync.WaitGroup
	slots := make(chan struct{}, lookups)
	for i, name := range names {
		slots <- struct{}{}
		all.Go(func() {
			found[i], _ = a.lookup(ctx, name, port)
			<-slots
		})
	}
	all.Wait()
	byAddr := map[netip.Addr]string{}
	for i, name := range names {
		for _, addr := range found[i] {
			if addr = addr.Unmap(); byAddr[addr] == "" {
				byAddr[addr] = name
			}
		}
	}
	return byAddr
}
