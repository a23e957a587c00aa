package inventory

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/tlslift/tlslift/metrics/burndown"
	"github.com/tlslift/tlslift/proxy/record"
)

const defaultMaxClients = 10000

// Options configures New. The zero value keeps clients in memory only, and never
// forgets one.
type Options struct {
	// MaxClients is how many clients without a name are kept; zero means 10000. When
	// there are more, a client that was never served is forgotten first, then one that
	// has come for less than a day, and of those the one that was seen longest ago. At
	// most a tenth are clients whose address is not allowed, and no other client is
	// forgotten for them. At most a tenth are of one group of addresses.
	MaxClients int
	// GroupBits is how many bits of an IPv6 address make a group; zero means 64.
	GroupBits int
	// Expiry is how long an inactive client is kept; zero means that it is never
	// forgotten.
	Expiry time.Duration
	// Store keeps the clients between runs; nil keeps them in memory only.
	Store Store
	// Lookup asks reverse DNS for the names of an address; nil means no reverse
	// DNS. It is called by Run, at most four times at once.
	Lookup func(context.Context, netip.Addr) ([]string, error)
	// IsNamed reports whether the clients file has a client by its name in reverse DNS;
	// nil means that it has none.
	IsNamed func(host string) bool
	// Confirm reports whether a name leads to an address; required with IsNamed. Only
	// such a name is returned by HostOf.
	Confirm func(ctx context.Context, host string, addr netip.Addr) bool
	// Named is called when HostOf returns a name for one more address.
	Named func()
	// Log gets the errors of the store; nil discards them.
	Log *slog.Logger
}

// An Inventory has the clients and their last connections. It implements
// proxy.Observer; all its methods
// may be called from many goroutines at once.
type Inventory struct {
	options Options
	log     *slog.Logger
	dns     *reverseDNS

	mu      sync.Mutex
	clients table
	latest  ring
	days    burndown.Counts
	counted time.Time     // when the clients that need lifting were counted
	number  uint64        // of the last connection
	changed chan struct{} // closed at the next connection; nil without a waiter
	unsaved bool          // there is something to save soon
	minor   bool          // there is something to save at the end
	fresh   bool          // and it is about which clients there are
}

// New returns an inventory with the clients that the store has. A store that cannot
// be read is set aside and logged: a damaged file must not keep clients from being
// served.
func New(o Options) *Inventory {
	v := &Inventory{
		options: o,
		log:     cmp.Or(o.Log, slog.New(slog.DiscardHandler)),
		clients: newTable(cmp.Or(o.MaxClients, defaultMaxClients), o.GroupBits),
		latest:  ring{max: maxLatest},
	}
	v.dns = newReverseDNS(&v.options, v.clients.max)
	v.load()
	return v
}

// Opened does nothing: a client is known when its connection has ended.
func (v *Inventory) Opened(string) {}

// Closed adds a connection that has ended.
func (v *Inventory) Closed(r *record.Record) {
	if r.IsHealthCheck() {
		return
	}
	c := commonOf(r)
	k := keptOf(r, c, keyOf(r))
	v.mu.Lock()
	defer v.mu.Unlock()
	v.number++
	k.number = v.number
	v.latest.add(k)
	if v.changed != nil {
		close(v.changed)
		v.changed = nil
	}
	if r.Client.IsValid() {
		v.updateClient(r, &c, k)
	}
}

// updateClient adds a connection to its client, if there is room for that.
func (v *Inventory) updateClient(r *record.Record, c *common, k kept) {
	e, known := v.clients.admit(k.client, k.address, r.Standing())
	if e == nil {
		return
	}
	if r.Outcome == record.OutcomeLifted {
		v.days.Lifted(k.start.Add(k.duration), e.client.LastLifted)
	}
	e.client.add(r, c, &k)
	if e.client.standing() == record.StandingRegular {
		v.clients.raise(e, record.StandingRegular)
	}
	v.dns.describe(&e.client)
	e.latest.max = v.clients.connectionsPerClient()
	k.client = e.client.Client // the same text, in memory once
	e.latest.add(k)
	v.note(&e.client)
	v.fresh = v.fresh || !known && e.standing >= record.StandingServed
	if e.standing != record.StandingUntrusted { // a scan must not become a flood of questions
		v.dns.ask(k.client, k.address, k.start)
	}
}

// Snapshot returns all clients, the one seen last first.
func (v *Inventory) Snapshot() []Client {
	v.mu.Lock()
	all := make([]Client, 0, len(v.clients.byKey))
	for _, e := range v.clients.byKey {
		all = append(all, e.client.copy())
	}
	v.mu.Unlock()
	slices.SortFunc(all, func(a, b Client) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.Client, b.Client))
	})
	return all
}

// Client returns the client of a name, or of an address if it has none.
func (v *Inventory) Client(key string) (Client, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e, ok := v.clients.byKey[key]
	if !ok {
		return Client{}, false
	}
	return e.client.copy(), true
}

// expire forgets the clients that were not seen for too long.
func (v *Inventory) expire(now time.Time) {
	if v.options.Expiry <= 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.clients.expire(now.Add(-v.options.Expiry)) {
		v.note(&e.client)
	}
}
