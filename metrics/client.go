package metrics

import (
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlslift/tlslift/proxy"
)

// A client holds what every connection of the client updates.
type client struct {
	label                string
	fromClient, toClient prometheus.Counter
	lastSeen             prometheus.Gauge
}

// clientOf returns the client of a record, which may be one that is shared.
func (m *Metrics) clientOf(r *proxy.Record) *client {
	if !r.Client.IsValid() {
		return m.unknownClient()
	}
	stranger := r.Reason == proxy.ReasonClientNotAllowed
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

func keyOf(r *proxy.Record) clientKey {
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
