package metrics

import (
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// Facts are what the gauges of one client show. A zero time means that it never
// happened.
type Facts struct {
	Address netip.Addr
	// Name is its name in the clients file; empty if it has none.
	Name string
	// JA4 is the fingerprint of its last ClientHello; empty if it sent none.
	JA4 string

	// FirstSeen is when it first connected; zero means that it is not known.
	FirstSeen            time.Time
	LastSeen, LastLifted time.Time
	// LastAccepted is the end of the last session in which a mail was accepted.
	LastAccepted time.Time
	// LastLegacy is the end of the last connection that could not have reached
	// Microsoft 365 without tlslift, lifted or not.
	LastLegacy time.Time
	// LastCapable is that of the last one that could.
	LastCapable time.Time
	// LastSuccess is the end of the last connection without a reason, LastFailure
	// that of the last one with a reason that counts as failing.
	LastSuccess, LastFailure time.Time
	// Reason is that of the last failure.
	Reason record.Reason
}

// factsOf returns the facts that one connection has.
func factsOf(r *record.Record) Facts {
	end := r.Start.Add(r.Duration)
	f := Facts{Address: r.Client.Unmap(), Name: r.ClientName, JA4: r.JA4, FirstSeen: r.Start, LastSeen: end}
	if r.Outcome == record.OutcomeLifted {
		f.LastLifted = end
	}
	if r.Accepted > 0 {
		f.LastAccepted = end
	}
	switch r.Need() {
	case record.NeedLifting:
		f.LastLegacy = end
	case record.NeedNone:
		f.LastCapable = end
	case record.NeedUnknown:
	}
	switch {
	case r.Reason == "":
		f.LastSuccess = end
	case r.Failing():
		f.LastFailure, f.Reason = end, r.Reason
	}
	return f
}

// Restore shows what was known of clients before a restart: those seen last come first.
// Half of the room stays free for clients that are new.
func (m *Metrics) Restore(known []Facts) {
	m.expiring.RLock()
	defer m.expiring.RUnlock()
	for _, f := range known[:min(len(known), max(1, m.clients.max/2))] {
		restore(m, f)
	}
}

// restore shows what is known of a client, and returns it; nil if it has no series.
func restore(m *Metrics, f Facts) *client {
	key := clientKey{name: f.Name}
	if f.Name == "" {
		key.addr = f.Address
	}
	if f.Name == "" && !f.Address.IsValid() {
		return nil
	}
	c := m.clients.get(key, f.standing())
	if c != nil {
		m.gauges.note(c, f)
	}
	return c
}

// standing returns the standing of a client, as far as its facts show it.
func (f *Facts) standing() standing {
	switch {
	case f.Name != "":
		return named
	case !f.LastSuccess.IsZero(), !f.LastLifted.IsZero():
		return proven
	case f.Reason == record.ReasonClientNotAllowed:
		return untrusted
	}
	return unproven
}

// clientGauges are the gauges that have series for each client.
type clientGauges struct {
	lastSeen, lastLifted, lastAccepted *prometheus.GaugeVec
	lastLegacy, lastCapable            *prometheus.GaugeVec
	lastSuccess, lastFailure           *prometheus.GaugeVec
	info                               *prometheus.GaugeVec
}

func newClientGauges(r *registry) clientGauges {
	return clientGauges{
		lastSeen: r.gauge(clientLastSeen), lastLifted: r.gauge(clientLastLifted), lastAccepted: r.gauge(clientLastAccepted),
		lastLegacy: r.gauge(clientLastLegacy), lastCapable: r.gauge(clientLastCapable),
		lastSuccess: r.gauge(clientLastSuccess), lastFailure: r.gauge(clientLastFailure),
		info: r.gauge(clientInformation),
	}
}

// note updates the gauges of a client. Connections end in any order, so times only
// go forward.
func (g *clientGauges) note(c *client, f Facts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	forward := func(known *time.Time, t time.Time, gauge *prometheus.GaugeVec) {
		if t.After(*known) {
			*known = t
			gauge.WithLabelValues(c.label).Set(seconds(t))
		}
	}
	if !f.FirstSeen.IsZero() && (c.facts.FirstSeen.IsZero() || f.FirstSeen.Before(c.facts.FirstSeen)) {
		c.facts.FirstSeen = f.FirstSeen
	}
	forward(&c.facts.LastSeen, f.LastSeen, g.lastSeen)
	// A counter does not show this: a series that appears at 1 has not increased.
	forward(&c.facts.LastLifted, f.LastLifted, g.lastLifted)
	forward(&c.facts.LastAccepted, f.LastAccepted, g.lastAccepted)
	forward(&c.facts.LastLegacy, f.LastLegacy, g.lastLegacy)
	forward(&c.facts.LastCapable, f.LastCapable, g.lastCapable)
	forward(&c.facts.LastSuccess, f.LastSuccess, g.lastSuccess)
	g.noteFailure(c, f)
	g.describe(c, f)
}

// noteFailure shows the last failure, with its reason.
func (g *clientGauges) noteFailure(c *client, f Facts) {
	if !f.LastFailure.After(c.facts.LastFailure) {
		return
	}
	if c.facts.Reason != "" && c.facts.Reason != f.Reason {
		g.lastFailure.DeleteLabelValues(c.label, label(string(c.facts.Reason)))
	}
	c.facts.LastFailure, c.facts.Reason = f.LastFailure, f.Reason
	g.lastFailure.WithLabelValues(c.label, label(string(f.Reason))).Set(seconds(f.LastFailure))
}

// describe shows client_info: the address from which the client last connected,
// and the fingerprint of its software.
func (g *clientGauges) describe(c *client, f Facts) {
	if c.label == other || c.label == unknown {
		return
	}
	now := clientInfo{label(f.Address.String()), netname.Text(f.Name, maxLabel), f.JA4}
	if now.fingerprint == "" {
		now.fingerprint = c.info.fingerprint
	}
	if now == c.info {
		return
	}
	if c.info != (clientInfo{}) {
		g.info.DeleteLabelValues(c.label, c.info.address, c.info.name, c.info.fingerprint)
	}
	g.info.WithLabelValues(c.label, now.address, now.name, now.fingerprint).Set(1)
	c.info = now
}
