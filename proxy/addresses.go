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
	addressesStale = 30 * time.Second
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
	at     time.Time // of the last look-up
	byName map[string][]netip.Addr
	byAddr map[netip.Addr]string
	// looking is closed when the look-up that goes on has ended; nil if none
	// does.
	looking chan struct{}
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
	for {
		name, looking, first := p.find(allowed, addr.Addr())
		switch {
		case looking == nil:
			return name
		case first:
			p.put(names, a.lookUp(ctx, names, addr.Port()))
			continue
		}
		select {
		case <-looking:
		case <-ctx.Done():
			return name
		}
	}
}

// find returns the name of an address. When that is not known well enough, it
// also returns what to wait for, and whether the caller is the first, who has to
// look up and put.
func (p *portAddresses) find(allowed *policy.Policy, addr netip.Addr) (name string, looking <-chan struct{}, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	age := time.Since(p.at)
	name = p.byAddr[addr]
	switch {
	case p.of != allowed:
		name = ""
	case age < addressesFresh && (name != "" || age < addressesStale):
		return name, nil, false
	}
	if p.looking != nil {
		return name, p.looking, false
	}
	p.looking, p.of, p.at = make(chan struct{}), allowed, time.Now()
	return name, p.looking, true
}

// put keeps what was found. A name that could not be looked up leads to where it
// led before: a name server has its bad moments.
func (p *portAddresses) put(names []string, found [][]netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.byName
	p.byName, p.byAddr = map[string][]netip.Addr{}, map[netip.Addr]string{}
	for i, name := range names {
		if found[i] == nil {
			found[i] = before[name]
		}
		p.byName[name] = found[i]
		for _, addr := range found[i] {
			if addr = addr.Unmap(); p.byAddr[addr] == "" {
				p.byAddr[addr] = name
			}
		}
	}
	close(p.looking)
	p.looking = nil
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

// lookUp looks up all names; nil stands for one that could not be.
func (a *addresses) lookUp(ctx context.Context, names []string, port uint16) [][]netip.Addr {
	// Others wait for it, too: it does not end with the client that needed it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
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
	return found
}
