package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Probe is what the last probe of a destination found.
type Probe struct {
	// Destination is host:port. The caller bounds how many there are.
	Destination string
	// Reason is why it failed; empty if it worked.
	Reason record.Reason
	// Took is how long it took, with or without success.
	Took time.Duration
}

// Probes shows what the probes of the destinations have found. Its methods may be called
// from many goroutines at once.
type Probes struct {
	last  atomic.Pointer[[]Probe]
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

// Show replaces the series with those of the last round.
func (p *Probes) Show(round []Probe) { p.last.Store(&round) }

// Describe implements prometheus.Collector.
func (p *Probes) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range p.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (p *Probes) Collect(ch chan<- prometheus.Metric) {
	round := p.last.Load()
	if round == nil {
		return
	}
	show := func(id metric, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(p.descs[id], prometheus.GaugeValue, value, labels...)
	}
	for _, probe := range *round {
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
