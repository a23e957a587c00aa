package metrics

import (
	"net/netip"
	"sync"
	"time"

	"github.com/tlslift/tlslift/metrics/clientseries"
	"github.com/tlslift/tlslift/proxy/record"
)

// A client is one that has series of its own, or what those without share.
type client struct {
	series *clientseries.Client

	standing record.Standing // guarded by the roster's mutex
	group    netip.Prefix

	mu                  sync.Mutex
	firstSeen, lastSeen time.Time
}

func (c *client) label() string { return c.series.Label() }

// isShared reports whether the series are those of clients without any of their own.
func (c *client) isShared() bool { return c.label() == other || c.label() == unknown }

// clientOf returns the client of a record; clients without series of their own
// share one.
func (m *Metrics) clientOf(r *record.Record) *client {
	if !r.Client.IsValid() {
		return m.unknownClient()
	}
	if c := m.clients.get(keyOf(r), r.Standing()); c != nil {
		return c
	}
	m.overflowed.Inc()
	return m.otherClients()
}

// A clientKey identifies a client: by its name in the clients file, which several
// addresses may share, or else by its address.
type clientKey struct {
	name string
	addr netip.Addr // zero when there is a name
}

func keyOf(r *record.Record) clientKey {
	if r.ClientName != "" {
		return clientKey{name: r.ClientName}
	}
	return clientKey{addr: r.Client.Unmap()}
}

func (k clientKey) label() string {
	if k.name != "" {
		return label(k.name)
	}
	return label(k.addr.String())
}

func (m *Metrics) newClient(name string) *client {
	c := &client{series: m.series.Client(name)}
	c.series.Add(int(clientBytesTotal), 0, m.series.values("from_client"))
	c.series.Add(int(clientBytesTotal), 0, m.series.values("to_client"))
	return c
}

// expire removes the series of clients that were not seen for too long, or have to make
// room, so that others can have series.
func (m *Metrics) expire(now time.Time) {
	m.expiring.Lock()
	defer m.expiring.Unlock()
	excess := m.clients.excess(now)
	if m.expiry <= 0 && len(excess) == 0 {
		return
	}
	forget(m, func(c *client) bool {
		return excess[c] || m.expiry > 0 && c.lastSeen.Before(now.Add(-m.expiry))
	})
}

// Forget removes the series of a client, by its value of the label client. They come
// back, from zero on, when it connects again.
func (m *Metrics) Forget(name string) {
	m.expiring.Lock()
	defer m.expiring.Unlock()
	forget(m, func(c *client) bool { return c.label() == label(name) })
}

// forget removes the series of some clients. The caller holds m.expiring.
func forget(m *Metrics, which func(*client) bool) {
	removed, kept := m.clients.remove(which)
	// A name may be another client's address; other and unknown are shared.
	inUse := map[string]bool{other: true, unknown: true}
	for _, c := range kept {
		inUse[c.label()] = true
	}
	for _, c := range removed {
		if !inUse[c.label()] {
			m.series.Remove(c.label())
		}
	}
}
