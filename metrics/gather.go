package metrics

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tlslift/tlslift/metrics/clientseries"
)

// Gatherer returns what /metrics serves. Gathering is when clients expire.
func (m *Metrics) Gatherer() prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		m.expire(time.Now())
		all, err := m.registry.Gather()
		for id := range definitions {
			if !definitions[id].isOfClients() {
				continue
			}
			if f := gathered(m.series, metric(id)); len(f.Metric) > 0 {
				all = append(all, f)
			}
		}
		slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
		return all, err
	})
}

// gathered returns the series of a metric that has them for each client.
func gathered(t seriesTable, id metric) *dto.MetricFamily {
	d, kind := &definitions[id], dto.MetricType_GAUGE
	if d.kind == counter {
		kind = dto.MetricType_COUNTER
	}
	f := &dto.MetricFamily{Name: new(d.fullName()), Help: &d.help, Type: &kind}
	labels := newLabelPairs(d)
	t.Each(int(id), func(s *clientseries.Sample) {
		one := &gatheredSeries{value: s.Value}
		one.Label = labels.of(one.labels[:0], s)
		if d.kind == counter {
			one.created.Seconds, one.created.Nanos = s.Created/1e9, int32(s.Created%1e9)
			one.counter.Value, one.counter.CreatedTimestamp = &one.value, &one.created
			one.Counter = &one.counter
		} else {
			one.gauge.Value = &one.value
			one.Gauge = &one.gauge
		}
		f.Metric = append(f.Metric, &one.Metric)
	})
	return f
}

// A gatheredSeries is a series with all that it consists of.
type gatheredSeries struct {
	dto.Metric
	counter dto.Counter
	gauge   dto.Gauge
	created timestamppb.Timestamp
	value   float64
	labels  [4]*dto.LabelPair
}

// labelPairs makes the labels of a metric. Series with the same value share them.
type labelPairs struct {
	labels []string
	order  []int // of the labels by their names
	pairs  []map[string]*dto.LabelPair
}

func newLabelPairs(d *definition) *labelPairs {
	p := &labelPairs{labels: d.labels}
	for i := range d.labels {
		p.order = append(p.order, i)
		p.pairs = append(p.pairs, map[string]*dto.LabelPair{})
	}
	slices.SortFunc(p.order, func(a, b int) int { return strings.Compare(d.labels[a], d.labels[b]) })
	return p
}

// of appends the labels of a series.
func (p *labelPairs) of(all []*dto.LabelPair, s *clientseries.Sample) []*dto.LabelPair {
	for _, i := range p.order {
		pair := p.pairs[i][s.Labels[i]]
		if pair == nil {
			pair = &dto.LabelPair{Name: &p.labels[i], Value: new(s.Labels[i])}
			p.pairs[i][s.Labels[i]] = pair
		}
		all = append(all, pair)
	}
	return all
}
