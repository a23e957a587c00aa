package metrics

import (
	"net/netip"
	"time"

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
		m.series.note(c, f)
	}
	return c
}

// standing returns the standing of a client, as far as its facts show it.
func (f *Facts) standing() record.Standing {
	return record.StandingOf(f.Name, f.Reason, !f.LastSuccess.IsZero() || !f.LastLifted.IsZero())
}

// note shows the facts of a client. Connections end in any order, so times only go
// forward.
func (t seriesTable) note(c *client, f Facts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !f.FirstSeen.IsZero() && (c.firstSeen.IsZero() || f.FirstSeen.Before(c.firstSeen)) {
		c.firstSeen = f.FirstSeen
	}
	if f.LastSeen.After(c.lastSeen) {
		c.lastSeen = f.LastSeen
	}
	forward := func(of metric, at time.Time, labels ...string) {
		if !at.IsZero() {
			c.series.Forward(int(of), seconds(at), t.values(labels...))
		}
	}
	forward(clientLastSeen, f.LastSeen)
	// A counter does not show this: a series that appears at 1 has not increased.
	forward(clientLastLifted, f.LastLifted)
	forward(clientLastAccepted, f.LastAccepted)
	forward(clientLastLegacy, f.LastLegacy)
	forward(clientLastCapable, f.LastCapable)
	forward(clientLastSuccess, f.LastSuccess)
	forward(clientLastFailure, f.LastFailure, label(string(f.Reason)))
	describe(c, f)
}

// describe shows client_info: the address from which the client last connected,
// and the fingerprint of its software.
func describe(c *client, f Facts) {
	if c.isShared() {
		return
	}
	before, found := c.series.Texts()
	now := [...]string{label(f.Address.String()), netname.Text(f.Name, maxLabel), f.JA4}
	if f.JA4 == "" {
		now[2] = before[2]
	}
	if !found || now != before {
		c.series.Describe(now)
	}
}
