package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// An authority has what the metrics show of the local certificate authority.
type authority struct {
	notAfter time.Time
	issued   func() uint64
	problem  func() string
}

// An authorityCollector shows an authority once there is one: an expiry of
// zero would look like a certificate that expired in 1970.
type authorityCollector struct {
	authority                     *atomic.Pointer[authority]
	notAfter, issued, filesUsable *prometheus.Desc
}

func newAuthorityCollector(a *atomic.Pointer[authority]) *authorityCollector {
	return &authorityCollector{
		authority:   a,
		notAfter:    definitions[caNotAfter].desc(),
		issued:      definitions[certificatesIssued].desc(),
		filesUsable: definitions[caFilesUsable].desc(),
	}
}

// Describe implements prometheus.Collector.
func (c *authorityCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.notAfter
	ch <- c.issued
	ch <- c.filesUsable
}

// Collect implements prometheus.Collector.
func (c *authorityCollector) Collect(ch chan<- prometheus.Metric) {
	a := c.authority.Load()
	if a == nil {
		return
	}
	ch <- prometheus.MustNewConstMetric(c.notAfter, prometheus.GaugeValue, seconds(a.notAfter))
	ch <- prometheus.MustNewConstMetric(c.issued, prometheus.CounterValue, float64(a.issued()))
	usable := 1.0
	if a.problem() != "" {
		usable = 0
	}
	ch <- prometheus.MustNewConstMetric(c.filesUsable, prometheus.GaugeValue, usable)
}
