package metrics

import "github.com/prometheus/client_golang/prometheus"

// A registry makes the metrics of the table of definitions.
type registry struct{ *prometheus.Registry }

func (r *registry) counter(id metric) *prometheus.CounterVec {
	d := definitions[id]
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.fullName(), Help: d.help}, d.labels)
	r.MustRegister(v)
	return v
}

func (r *registry) gauge(id metric) *prometheus.GaugeVec {
	d := definitions[id]
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.fullName(), Help: d.help}, d.labels)
	r.MustRegister(v)
	return v
}

// histogram registers one with the given buckets for scrapers that read text,
// and a native histogram for those that can read it.
func (r *registry) histogram(id metric, buckets []float64) *prometheus.HistogramVec {
	d := definitions[id]
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:                           d.fullName(),
		Help:                           d.help,
		Buckets:                        buckets,
		NativeHistogramBucketFactor:    1.1,
		NativeHistogramMaxBucketNumber: 100,
	}, d.labels)
	r.MustRegister(v)
	return v
}
