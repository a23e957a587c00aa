package metrics

import "github.com/tlslift/tlslift/metrics/clientseries"

// A Renaming says that a client has a name now, or another one.
type Renaming struct {
	From string // the value of the label client before: an address or a name
	Now  Facts
}

// Rename adds the counters of clients to those of the names that they have now, shows
// what is known under these names, and removes the series from before. No counter goes
// down.
func (m *Metrics) Rename(all []Renaming) {
	if len(all) == 0 {
		return
	}
	m.expiring.Lock()
	defer m.expiring.Unlock()
	before := make([]*clientseries.Client, len(all))
	gone := make(map[string]bool, len(all))
	for i, r := range all {
		if name := label(r.From); name != other && name != unknown { // those are shared
			before[i] = m.series.Remove(name)
			gone[name] = true
		}
	}
	m.clients.remove(func(c *client) bool { return gone[c.label()] })
	for i, r := range all {
		c := restore(m, r.Now)
		if before[i] == nil {
			continue
		}
		if c == nil {
			c = m.otherClients()
		}
		m.series.AddCounters(c.series, before[i])
	}
}
