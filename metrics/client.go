package metrics

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tlslift/tlslift/proxy/record"
)

// A client holds what every connection of the client updates.
type client struct {
	label                string
	fromClient, toClient prometheus.Counter
	lastSeen             prometheus.Gauge

	mu   sync.Mutex
	seen time.Time
	info clientInfo // as shown; zero when it is not
}

// A clientInfo is the labels of client_info behind the first.
type clientInfo struct{ address, name, fingerprint string }

// clientOf returns the client of a record, which may be one that is shared.
func (m *Metrics) clientOf(r *record.Record) *client {
	if !r.Client.IsValid() {
		return m.unknownClient()
	}
	stranger := r.Reason == record.ReasonClientNotAllowed
	if c, ok := m.clients.get(keyOf(r), stranger); ok {
		return c
	}
	m.overflowed.Inc()
	return m.otherClients()
}

// A clientKey is what tells clients apart: the name in the clients file, which
// several addresses may share, or else the address.
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

func (m *Metrics) newClient(key clientKey) *client {
	if key.name != "" {
		return m.clientLabelled(label(key.name))
	}
	return m.clientLabelled(label(key.addr.String()))
}

func (m *Metrics) clientLabelled(name string) *client {
	return &client{
		label:      name,
		fromClient: m.clientBytes.WithLabelValues(name, "from_client"),
		toClient:   m.clientBytes.WithLabelValues(name, "to_client"),
		lastSeen:   m.lastSeen.WithLabelValues(name),
	}
}

// describe shows where the client came from last, and what its software looks
// like.
func (m *Metrics) describe(c *client, r *record.Record) {
	if c.label == other || c.label == unknown {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if end := r.Start.Add(r.Duration); end.After(c.seen) {
		c.seen = end
	}
	now := clientInfo{label(r.Client.Unmap().String()), strings.ToValidUTF8(r.ClientName, "\uFFFD"), r.JA4}
	if now.fingerprint == "" {
		now.fingerprint = c.info.fingerprint
	}
	if now == c.info {
		return
	}
	if c.info != (clientInfo{}) {
		m.info.DeleteLabelValues(c.label, c.info.address, c.info.name, c.info.fingerprint)
	}
	m.info.WithLabelValues(c.label, now.address, now.name, now.fingerprint).Set(1)
	c.info = now
}

// expire takes away the series of clients that were not seen for too long, and
// gives their places to others.
func (m *Metrics) expire(now time.Time) {
	if m.expiry <= 0 {
		return
	}
	m.expiring.Lock()
	defer m.expiring.Unlock()
	gone, stay := m.clients.drop(func(c *client) bool { return c.seen.Before(now.Add(-m.expiry)) })
	// A name may be another client's address; other and unknown are shared.
	kept := map[string]bool{other: true, unknown: true}
	for _, c := range stay {
		kept[c.label] = true
	}
	for _, c := range gone {
		if kept[c.label] {
			continue
		}
		for _, series := range m.ofClients {
			series.DeletePartialMatch(prometheus.Labels{clientLabel: c.label})
		}
	}
}
