package metrics

import (
	"slices"
	"time"
)

// refreshResults are the values of the label result of endpoints_refreshes_total.
var refreshResults = []string{"unchanged", "updated", "rejected", "failed", "throttled"}

func registerEndpoints(m *Metrics) {
	m.listChecked = m.registry.gauge(endpointsChecked)
	m.refreshes = m.registry.counter(endpointsRefreshes)
	for _, result := range refreshResults {
		m.refreshes.WithLabelValues(result)
	}
}

// SetEndpointsChecked sets when the list of Microsoft 365's endpoints in use was
// last confirmed to be the newest. The zero time is ignored: as long as no other is
// known there is no such series, since one of 1970 would raise an alert.
func (m *Metrics) SetEndpointsChecked(t time.Time) {
	if !t.IsZero() {
		m.listChecked.WithLabelValues().Set(seconds(t))
	}
}

// CountRefresh counts a request to the endpoints web service. A result that
// is not one of the documented ones counts as unknown.
func (m *Metrics) CountRefresh(result string) {
	if !slices.Contains(refreshResults, result) {
		result = unknown
	}
	m.refreshes.WithLabelValues(result).Inc()
}
