package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// A metric is the place of one of our metrics in the table of definitions.
type metric int

const (
	connectionsTotal metric = iota
	connectionsActive
	connectionDuration
	handshakeDuration
	clientConnectionsTotal
	clientHandshakesTotal
	clientFailuresTotal
	clientBytesTotal
	clientSMTPReplies
	clientLastSeen
	clientLastLifted
	clientInformation
	clientsTracked
	clientsOverflowed
	upstreamHandshakesTotal
	upstreamFailuresTotal
	certificatesIssued
	caNotAfter
	endpointsChecked
	endpointsRefreshes
	buildInfo
)

// A definition says all there is to know of a metric. Labels are in the order
// in which their values are given.
type definition struct {
	name   string
	kind   string
	labels []string
	help   string
}

const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

// definitions is the one place that names a metric. The names, the labels and
// their meaning are a public interface: changing one needs a CHANGELOG line.
var definitions = [...]definition{
	connectionsTotal: {"connections_total", counter, []string{"listener", "outcome"},
		"Connections that have ended, by outcome: passed, lifted, refused or failed."},
	connectionsActive: {"connections_active", gauge, []string{"listener"},
		"Connections that are open now."},
	connectionDuration: {"connection_duration_seconds", histogram, nil,
		"How long connections lasted, from accept to close."},
	handshakeDuration: {"handshake_duration_seconds", histogram, []string{"side"},
		"How long completed TLS handshakes took; side is client or upstream."},

	clientConnectionsTotal: {"client_connections_total", counter,
		[]string{"client", "protocol", "tls_version", "outcome"},
		"Connections of a client that have ended; tls_version is the newest that the client offered, none without a ClientHello, unknown if there is no such version."},
	clientHandshakesTotal: {"client_handshakes_total", counter,
		[]string{"client", "tls_version", "cipher_suite", "resumed"},
		"TLS handshakes completed with a client whose connection was lifted."},
	clientFailuresTotal: {"client_failures_total", counter, []string{"client", "reason"},
		"Connections of a client that were refused, failed, broke off, or in which Microsoft 365 turned the mail down, by reason."},
	clientBytesTotal: {"client_bytes_total", counter, []string{"client", "direction"},
		"Bytes relayed for a client; direction is from_client or to_client."},
	clientSMTPReplies: {"client_smtp_replies_total", counter, []string{"client", "code", "enhanced_code"},
		"Replies of the destination in lifted SMTP sessions of a client; enhanced_code is none where there was none, and what is beyond " + strconv.Itoa(maxReplyCodes) + " different replies shares other."},
	clientLastSeen: {"client_last_seen_timestamp_seconds", gauge, []string{"client"},
		"When a connection of the client last ended, as a Unix time."},
	clientLastLifted: {"client_last_lifted_timestamp_seconds", gauge, []string{"client"},
		"When a lifted connection of the client last ended, as a Unix time; there is none for a client that was never lifted."},
	clientInformation: {"client_info", gauge, []string{"client", "address", "name", "fingerprint"},
		"Always 1; the labels say from which address the client came last, its name in the clients file if it has one, and the JA4 fingerprint of its last ClientHello if it sent one."},
	clientsTracked: {"clients_tracked", gauge, nil,
		"Clients that have series of their own."},
	clientsOverflowed: {"clients_overflowed_total", counter, nil,
		"Connections that were counted as client other, because there were too many clients."},

	upstreamHandshakesTotal: {"upstream_handshakes_total", counter,
		[]string{"destination", "tls_version", "cipher_suite", "resumed"},
		"TLS handshakes that tlslift completed with a destination; what is beyond " + strconv.Itoa(maxDestinations) + " destinations shares other."},
	upstreamFailuresTotal: {"upstream_failures_total", counter, []string{"destination", "reason"},
		"Connections that failed because of their destination or the way to it, by reason."},

	certificatesIssued: {"certificates_issued_total", counter, nil,
		"Certificates that the local certificate authority issued since the start."},
	caNotAfter: {"ca_not_after_timestamp_seconds", gauge, nil,
		"When the certificate of the local certificate authority expires, as a Unix time."},
	endpointsChecked: {"endpoints_checked_timestamp_seconds", gauge, nil,
		"When the list of Microsoft 365's endpoints in force was last known to be the newest, as a Unix time; without TLSLIFT_M365_REFRESH, when Microsoft published it."},
	endpointsRefreshes: {"endpoints_refreshes_total", counter, []string{"result"},
		"Questions to Microsoft's endpoints web service, by result: unchanged, updated, rejected, failed or throttled."},
	buildInfo: {"build_info", gauge, []string{"version", "revision", "goversion"},
		"Always 1; the labels say which tlslift is running."},
}

// clientLabel is the first label of every metric that has series of its own for
// each client.
const clientLabel = "client"

func (d definition) fullName() string { return "tlslift_" + d.name }

func (d definition) desc() *prometheus.Desc {
	return prometheus.NewDesc(d.fullName(), d.help, d.labels, nil)
}

func (m *Metrics) counter(id metric) *prometheus.CounterVec {
	d := definitions[id]
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.fullName(), Help: d.help}, d.labels)
	m.registry.MustRegister(v)
	m.noteSeries(d, v.MetricVec)
	return v
}

func (m *Metrics) gauge(id metric) *prometheus.GaugeVec {
	d := definitions[id]
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.fullName(), Help: d.help}, d.labels)
	m.registry.MustRegister(v)
	m.noteSeries(d, v.MetricVec)
	return v
}

// noteSeries remembers what has series of clients, which expire.
func (m *Metrics) noteSeries(d definition, series *prometheus.MetricVec) {
	if len(d.labels) > 0 && d.labels[0] == clientLabel {
		m.ofClients = append(m.ofClients, series)
	}
}

// histogram registers one with the given buckets for scrapers that read text,
// and a native histogram for those that can read it.
func (m *Metrics) histogram(id metric, buckets []float64) *prometheus.HistogramVec {
	d := definitions[id]
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:                           d.fullName(),
		Help:                           d.help,
		Buckets:                        buckets,
		NativeHistogramBucketFactor:    1.1,
		NativeHistogramMaxBucketNumber: 100,
	}, d.labels)
	m.registry.MustRegister(v)
	return v
}
