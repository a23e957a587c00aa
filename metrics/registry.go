package metrics

import "github.com/prometheus/client_golang/prometheus"

// A registry makes the metrics of the table of definitions.
type registry struct {
	*prometheus.Registry
	ofClients []*prometheus.MetricVec // those with the label client
}

func (r *registry) counter(id metric) *prometheus.CounterVec {
	d := definitions[id]
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.fullName(), Help: d.help}, d.labels)
	r.add(d, v, v.MetricVec)
	return v
}

func (r *registry) gauge(id metric) *prometheus.GaugeVec {
	d := definitions[id]
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.fullName(), Help: d.help}, d.labels)
	r.add(d, v, v.MetricVec)
	return v
}

// add registers a collector and remembers what has series of clients, which
// expire.
func (r *registry) add(d definition, c prometheus.Collector, series *prometheus.MetricVec) {
	r.MustRegister(c)
	if len(d.labels) > 0 && d.labels[0] == clientLabel {
		r.ofClients = append(r.ofClients, series)
	}
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
