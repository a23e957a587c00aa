package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// SetReloaded notes whether the last attempt to read the configuration was successful,
// and when it was made. The start is an attempt too.
func (m *Metrics) SetReloaded(ok bool, at time.Time) {
	if !ok {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadAt.Set(seconds(at))
}

// ShowWebConfig adds the series of the web configuration file: how often it was found to be
// broken.
func ShowWebConfig(m *Metrics, failures func() int64) {
	d := definitions[webConfigFailures]
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: d.fullName(), Help: d.help}, func() float64 {
		return float64(failures())
	}))
}

// registerLog registers what is known of the log.
func registerLog(m *Metrics, dropped func() int64) {
	d := definitions[logLinesDropped]
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: d.fullName(), Help: d.help}, func() float64 {
		if dropped == nil {
			return 0
		}
		return float64(dropped())
	}))
}

// registerTurns registers what is known of handshakes that wait for their turn.
func registerTurns(m *Metrics, waiting func() int) {
	// As with the duration of handshakes, up to the default handshake timeout.
	m.handshakeWait = m.registry.histogram(handshakeWait,
		[]float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}).WithLabelValues()
	d := definitions[handshakesWaiting]
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: d.fullName(), Help: d.help}, func() float64 {
		if waiting == nil {
			return 0
		}
		return float64(waiting())
	}))
}

func registerConfiguration(m *Metrics, limit int) {
	m.reloadOK = m.registry.gauge(reloadSuccessful).WithLabelValues()
	m.reloadAt = m.registry.gauge(reloadSuccessTime).WithLabelValues()
	m.SetReloaded(true, time.Now())
	if limit > 0 {
		m.registry.gauge(connectionsLimit).WithLabelValues().Set(float64(limit))
	}
}
