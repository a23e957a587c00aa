package m365

import (
	"context"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
)

const (
	// addressesFresh is how long looked-up addresses are used, and
	// addressesStale after how long a miss has them looked up again: the
	// addresses of large services change every few minutes.
	addressesFresh = 5 * time.Minute
	addressesStale = 30 * time.Second
	// lookupTimeout bounds looking up all names of a port, and lookups how many
	// of them at a time.
	lookupTimeout = 5 * time.Second
	lookups       = 16
)

// Addresses finds which allowed name has an address, as we look the names up
// ourselves. It is safe for concurrent use.
type Addresses struct {
	lookup func(ctx context.Context, host string, port uint16) ([]netip.Addr, error)
	flight singleflight.Group

	ctx     context.Context // of look-ups: they do not end with the client that needs them
	cancel  context.CancelFunc
	pending sync.WaitGroup

	mu     sync.Mutex
	byPort map[uint16]*portAddresses
}

// portAddresses are those of the exact names that a policy allows on one port.
// They do not change.
type portAddresses struct {
	of     *Policy
	at     time.Time // of the look-up
	byName map[string][]netip.Addr
	byAddr map[netip.Addr]string
}

// NewAddresses returns one that looks names up with lookup.
func NewAddresses(lookup func(context.Context, string, uint16) ([]netip.Addr, error)) *Addresses {
	a := &Addresses{lookup: lookup, byPort: map[uint16]*portAddresses{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// Close ends the look-ups and waits for them. NameOf must not be called after it.
func (a *Addresses) Close() {
	a.cancel()
	a.pending.Wait()
}

// NameOf returns the first exact name that is allowed on the port and has the
// address; empty when there is none. A name that was found before is returned
// without waiting, and looked up again meanwhile if that is due: a name server that
// stalls must not stall connections. For others it waits until all names are looked
// up, for at most 5 seconds, or until ctx ends.
func (a *Addresses) NameOf(ctx context.Context, allowed *Policy, addr netip.AddrPort) string {
	port := addr.Port()
	names := allowed.Names(port)
	if len(names) == 0 {
		return "" // so that there are no more ports here than in the policy
	}
	for ctx.Err() == nil {
		name, due := a.port(port).find(allowed, addr.Addr())
		if !due {
			return name
		}
		done := make(chan struct{})
		a.pending.Go(func() {
			defer close(done)
			_, _, _ = a.flight.Do(strconv.Itoa(int(port)), func() (any, error) {
				a.put(port, allowed, names, a.lookUp(names, port))
				return nil, nil
			})
		})
		if name != "" {
			return name
		}
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	return ""
}

// find returns the name of an address; empty when there is none. It is due when
// the names should be looked up again.
func (p *portAddresses) find(allowed *Policy, addr netip.Addr) (name string, due bool) {
	if p.of != allowed {
		return "", true
	}
	name = p.byAddr[addr]
	age := time.Since(p.at)
	return name, age >= addressesFresh || name == "" && age >= addressesStale
}

func (a *Addresses) port(port uint16) *portAddresses {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.byPort[port]; p != nil {
		return p
	}
	return &portAddresses{}
}

// put keeps what was found. A name that could not be looked up keeps its
// addresses: a name server has its bad moments.
func (a *Addresses) put(port uint16, allowed *Policy, names []string, found [][]netip.Addr) {
	before := a.port(port).byName
	p := &portAddresses{of: allowed, at: time.Now(), byName: map[string][]netip.Addr{}, byAddr: map[netip.Addr]string{}}
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
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byPort[port] = p
}

// lookUp looks up all names; nil stands for one that could not be.
func (a *Addresses) lookUp(names []string, port uint16) [][]netip.Addr {
	ctx, cancel := context.WithTimeout(a.ctx, lookupTimeout)
	defer cancel()
	found := make([][]netip.Addr, len(names))
	var all errgroup.Group
	all.SetLimit(lookups)
	for i, name := range names {
		all.Go(func() error {
			found[i], _ = a.lookup(ctx, name, port)
			return nil
		})
	}
	_ = all.Wait()
	return found
}
