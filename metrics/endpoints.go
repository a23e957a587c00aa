package metrics

import (
	"slices"
	"time"
)

// refreshResults are the values of the label result of endpoints_refreshes_total.
var refreshResults = []string{"unchanged", "updated", "rejected", "failed", "throttled"}

func (m *Metrics) registerEndpoints() {
	m.listChecked = m.gauge(endpointsChecked)
	m.refreshes = m.counter(endpointsRefreshes)
	for _, result := range refreshResults {
		m.refreshes.WithLabelValues(result)
	}
}

// SetEndpointsChecked says when the list of Microsoft 365's endpoints in force
// was last known to be the newest. The zero time is passed over: until another
// is known there is no such series, since that of 1970 would be an alarm.
func (m *Metrics) SetEndpointsChecked(t time.Time) {
	if !t.IsZero() {
		m.listChecked.WithLabelValues().Set(seconds(t))
	}
}

// CountRefresh counts a question to the endpoints web service. A result that
// is not one of the documented ones counts as unknown.
func (m *Metrics) CountRefresh(result string) {
	if !slices.Contains(refreshResults, result) {
		result = unknown
	}
	m.refreshes.WithLabelValues(result).Inc()
}
