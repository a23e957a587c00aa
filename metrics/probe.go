package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlslift/tlslift/metrics/probes"
)

// Probes has what the probes of the destinations have found, as series. Its methods may be
// called from many goroutines at once.
type Probes struct {
	probes.Round
	descs map[metric]*prometheus.Desc
}

// newProbes returns probes without series: there are none until the first round ends.
func newProbes() *Probes {
	p := &Probes{descs: map[metric]*prometheus.Desc{}}
	for _, id := range []metric{probeSuccess, probeFailing, probeDuration} {
		p.descs[id] = definitions[id].desc()
	}
	return p
}

// Describe implements prometheus.Collector.
func (p *Probes) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range p.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (p *Probes) Collect(ch chan<- prometheus.Metric) {
	show := func(id metric, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(p.descs[id], prometheus.GaugeValue, value, labels...)
	}
	for _, probe := range p.Last() {
		to, worked := label(probe.Destination), 0.0
		if probe.Reason == "" {
			worked = 1
		} else {
			show(probeFailing, 1, to, reasonLabel(probe.Reason))
		}
		show(probeSuccess, worked, to)
		show(probeDuration, probe.Took.Seconds(), to)
	}
}
