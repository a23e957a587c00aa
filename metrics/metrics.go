// Package metrics turns the records of finished connections into Prometheus
// series.
//
// It refuses to grow without bound: whatever clients send, the number of
// clients, destinations and other label values is limited, and those above the
// limit share the value "other".
package metrics

import (
	"cmp"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tlslift/tlslift/proxy/record"
)

const (
	defaultMaxClients = 2000
	// maxDestinations bounds the destination label: under a wildcard such as
	// *.sharepoint.com it is the client that chooses the name.
	maxDestinations = 200
	// The values of these two labels come from sets that are small already;
	// the limits hold even if another package has a bug.
	maxCipherSuites = 100
	maxProtocols    = 20
	// maxReplyCodes bounds the codes of SMTP replies, which the destination
	// chooses.
	maxReplyCodes = 60
)

// Options configures New.
type Options struct {
	// MaxClients is how many clients without a name have series of their own; the rest
	// share client="other". Zero means 2000.
	MaxClients int
	// GroupBits is how many bits of an IPv6 address make a group, which has no more
	// than its share of these; zero means 64.
	GroupBits int
	// Expiry is how long the series of an inactive client are kept; zero means
	// always.
	Expiry time.Duration
	// ConnectionsLimit is how many connections may be open at once; zero means that
	// it is not known.
	ConnectionsLimit int
	// LogLinesDropped returns how many log lines were dropped since the start; nil means
	// none.
	LogLinesDropped func() int64
	// HandshakesWaiting returns how many handshakes wait for their turn to compute; nil
	// means none.
	HandshakesWaiting func() int
	// Version and Revision label build_info. Empty means "unknown".
	Version  string
	Revision string
}

// Metrics counts connections. It implements proxy.Observer; all its methods
// may be called from many goroutines at once.
type Metrics struct {
	// SignIn counts what happens at the sign-in.
	SignIn SignIn
	// Probes shows what the probes of the destinations have found.
	Probes *Probes

	registry registry
	expiry   time.Duration
	// expiring is held for reading while the series of a client are in use.
	expiring sync.RWMutex

	clients      *roster
	series       seriesTable
	destinations *boundedMap[string, string]
	cipherSuites *boundedMap[string, string]
	protocols    *boundedMap[string, string]
	replyCodes   *boundedMap[replyKey, replyKey]
	// Those without series of their own. Made when first needed: a last-seen
	// time of zero would look like a client lost in 1970.
	otherClients, unknownClient func() *client

	connections, upstreamHandshakes, upstreamFailures, refreshes *prometheus.CounterVec
	active, listChecked                                          *prometheus.GaugeVec
	overflowed, notAccepted                                      prometheus.Counter
	reloadOK, reloadAt                                           prometheus.Gauge
	connectionTime, clientHandshakeTime, upstreamTime            prometheus.Observer
	handshakeWait                                                prometheus.Observer

	authority atomic.Pointer[authority]
}

// New returns metrics on a registry of their own, together with those of the
// Go runtime and of the process.
func New(o Options) *Metrics {
	m := &Metrics{registry: registry{prometheus.NewRegistry()}, series: newSeries(), expiry: o.Expiry, Probes: newProbes()}
	m.SignIn.series = m.series
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.clients = newRoster(cmp.Or(o.MaxClients, defaultMaxClients), o.GroupBits, func(k clientKey) *client { return m.newClient(k.label()) })
	m.limitLabels()
	m.registerConnections()
	registerTurns(m, o.HandshakesWaiting)
	registerClients(m)
	registerSignIn(m)
	registerEndpoints(m)
	registerConfiguration(m, o.ConnectionsLimit)
	registerLog(m, o.LogLinesDropped)
	m.registry.MustRegister(newAuthorityCollector(&m.authority), m.Probes)
	m.registry.gauge(buildInfo).WithLabelValues(
		label(o.Version), label(o.Revision), runtime.Version()).Set(1)
	return m
}

// SetCA adds the series of the certificate authority: when its certificate
// expires, how many certificates it has issued since the start, and whether its
// files have a problem. Calling it again replaces the authority. Until it is
// called there are no such series.
func (m *Metrics) SetCA(notAfter time.Time, issued func() uint64, problem func() string) {
	m.authority.Store(&authority{notAfter: notAfter, issued: issued, problem: problem})
}

// limitLabels sets the bounds. At most half of the destinations may be names that failed
// at first, so that invented names leave room for real ones.
func (m *Metrics) limitLabels() {
	m.destinations = newBoundedMap(maxDestinations, maxDestinations/2, label)
	m.cipherSuites = newBoundedMap(maxCipherSuites, 0, label)
	m.protocols = newBoundedMap(maxProtocols, 0, label)
	m.replyCodes = newBoundedMap(maxReplyCodes, 0, newReplyKey)
	m.otherClients = sync.OnceValue(func() *client { return m.newClient(other) })
	m.unknownClient = sync.OnceValue(func() *client { return m.newClient(unknown) })
}

func (m *Metrics) registerConnections() {
	m.connections = m.registry.counter(connectionsTotal)
	m.active = m.registry.gauge(connectionsActive)
	m.notAccepted = m.registry.counter(acceptFailures).WithLabelValues()
	m.connectionTime = m.registry.histogram(connectionDuration,
		[]float64{.1, .5, 1, 5, 15, 60, 300, 900, 3600, 14400}).WithLabelValues()
	// Up to 30 s, the default handshake timeout: a device of 2005 can need
	// seconds for one RSA operation.
	handshakeTime := m.registry.histogram(handshakeDuration,
		[]float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30})
	m.clientHandshakeTime = handshakeTime.WithLabelValues("client")
	m.upstreamTime = handshakeTime.WithLabelValues("upstream")
	m.upstreamHandshakes = m.registry.counter(upstreamHandshakesTotal)
	m.upstreamFailures = m.registry.counter(upstreamFailuresTotal)
}

func registerClients(m *Metrics) {
	m.overflowed = m.registry.counter(clientsOverflowed).WithLabelValues()
	d := definitions[clientsTracked]
	m.registry.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Name: d.fullName(), Help: d.help},
		func() float64 { return float64(m.clients.len()) },
	))
}

// Opened counts a connection that was accepted.
func (m *Metrics) Opened(listener string) {
	m.active.WithLabelValues(label(listener)).Inc()
}

// AcceptFailed counts a time in which connections cannot be accepted at once.
func (m *Metrics) AcceptFailed(error) { m.notAccepted.Inc() }

// Closed counts a connection that has ended.
func (m *Metrics) Closed(r *record.Record) {
	listener := label(r.Listener)
	m.active.WithLabelValues(listener).Dec()
	if r.IsHealthCheck() {
		return
	}
	m.connections.WithLabelValues(listener, label(string(r.Outcome))).Inc()
	m.connectionTime.Observe(r.Duration.Seconds())
	if r.UpstreamTLS != nil || r.Reason == record.ReasonOverloaded {
		m.handshakeWait.Observe(r.HandshakeWait.Seconds())
	}
	m.countClient(r)
	m.countUpstream(r)
}

func (m *Metrics) countClient(r *record.Record) {
	m.expiring.RLock()
	defer m.expiring.RUnlock()
	c := m.clientOf(r)
	m.series.note(c, factsOf(r))
	c.series.Add(int(clientBytesTotal), float64(max(0, r.BytesFromClient)), m.series.values("from_client"))
	c.series.Add(int(clientBytesTotal), float64(max(0, r.BytesToClient)), m.series.values("to_client"))
	protocol, version, outcome := labelIn(m.protocols, string(r.Protocol), false), versionLabel(r.OfferedVersion), label(string(r.Outcome))
	m.series.count(c, clientConnectionsTotal, 1, m.series.values(protocol, version, outcome), m.series.values(other, other, outcome))
	if h := r.ClientTLS; h != nil {
		version, suite, resumed := versionLabel(h.Version), labelIn(m.cipherSuites, h.CipherSuite, false), strconv.FormatBool(h.Resumed)
		m.series.count(c, clientHandshakesTotal, 1, m.series.values(version, suite, resumed), m.series.values(other, other, resumed))
		m.clientHandshakeTime.Observe(h.Duration.Seconds())
	}
	if r.Reason != "" {
		v := m.series.values(label(string(r.Reason)), strconv.FormatBool(r.Failing()))
		if !c.series.AddWithin(int(clientFailuresTotal), 1, v, c.most()) {
			m.series.Client(other).Add(int(clientFailuresTotal), 1, v) // the sum of a reason stays exact
		}
	}
	m.SignIn.countLogin(c, r)
	m.countReplies(c, r.SMTPReplies)
	if r.Outcome == record.OutcomeLifted && r.Protocol == record.ProtocolSMTP {
		c.series.Add(int(clientAcceptedTotal), float64(max(0, r.Accepted)), m.series.values()) // zero shows as well
	}
}

func (m *Metrics) countUpstream(r *record.Record) {
	if h := r.UpstreamTLS; h != nil {
		m.upstreamHandshakes.WithLabelValues(labelIn(m.destinations, r.Destination, false),
			versionLabel(h.Version), labelIn(m.cipherSuites, h.CipherSuite, false),
			strconv.FormatBool(h.Resumed)).Inc()
		m.upstreamTime.Observe(h.Duration.Seconds())
	}
	if r.Reason.Fault() == record.FaultDestination {
		m.upstreamFailures.WithLabelValues(
			labelIn(m.destinations, r.Destination, true), string(r.Reason)).Inc()
	}
}
