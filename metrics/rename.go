package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

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
	names := make(map[string]string, len(all)) // by label from before
	for _, r := range all {
		names[label(r.From)] = other
	}
	m.clients.remove(func(c *client) bool { return names[c.label] != "" })
	for _, r := range all {
		c := restore(m, r.Now)
		if c == nil {
			c = m.otherClients()
		}
		names[label(r.From)] = c.label
	}
	for _, vec := range m.registry.ofClients {
		moveSeries(vec, names)
	}
}

// moveSeries removes the series of the clients that are keys of names; counters are
// added to those of their values.
func moveSeries(vec *prometheus.MetricVec, names map[string]string) {
	for _, series := range collected(vec) {
		var text dto.Metric
		if series.Write(&text) != nil {
			continue
		}
		labels := prometheus.Labels{}
		for _, pair := range text.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		name, moved := names[labels[clientLabel]]
		if !moved {
			continue
		}
		vec.Delete(labels)
		labels[clientLabel] = name
		if text.Counter == nil {
			continue
		}
		if to, err := vec.GetMetricWith(labels); err == nil {
			to.(prometheus.Counter).Add(text.GetCounter().GetValue())
		}
	}
}

// collected returns all series of vec.
func collected(vec *prometheus.MetricVec) []prometheus.Metric {
	series := make(chan prometheus.Metric)
	go func() {
		defer close(series)
		vec.Collect(series)
	}()
	var all []prometheus.Metric
	for s := range series { // to the end of the goroutine
		all = append(all, s)
	}
	return all
}
