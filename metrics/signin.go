package metrics

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlslift/tlslift/metrics/tenant"
	"github.com/tlslift/tlslift/proxy/record"
)

const (
	// maxMailboxes bounds the label mailbox: a sign-in file may have many more.
	maxMailboxes = 200
	// resultOK is the result of what had success.
	resultOK = "ok"
)

// A SignIn counts what happens at the sign-in, and shows its state. Its methods may be
// called from many goroutines at once.
type SignIn struct {
	requests    *prometheus.CounterVec
	requestTime *prometheus.HistogramVec
	series      seriesTable
	state       atomic.Pointer[func() tenant.State]
}

func registerSignIn(m *Metrics) {
	s := &m.SignIn
	s.requests = m.registry.counter(tokenRequests)
	s.requestTime = m.registry.histogram(tokenRequestDuration, []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30})
	m.registry.MustRegister(newTenantCollector(&s.state))
}

// Show adds the series of a tenant whose state a function returns. Without it there are no
// such series.
func (s *SignIn) Show(state func() tenant.State) {
	s.requests.WithLabelValues(resultOK)
	s.requestTime.WithLabelValues()
	s.state.Store(&state)
}

// TokenRequested counts a request for a token; reason is empty when it gave one.
func (s *SignIn) TokenRequested(reason record.Reason, took time.Duration) {
	result := resultOK
	if reason != "" {
		result = reasonLabel(reason)
	}
	s.requests.WithLabelValues(result).Inc()
	s.requestTime.WithLabelValues().Observe(took.Seconds())
}

// reasonLabel returns a reason of the table, or unknown.
func reasonLabel(r record.Reason) string {
	if r.Cause() == "" {
		return unknown
	}
	return string(r)
}

// countLogin counts a session in which a client signed in or could not. What it has
// typed is in no label.
func (s *SignIn) countLogin(c *client, r *record.Record) {
	switch {
	case r.SignedIn():
		c.series.Add(int(clientLogins), 1, s.series.values(resultOK))
	case r.Reason.SignInFailed():
		c.series.Add(int(clientLogins), 1, s.series.values(string(r.Reason)))
	}
}

// A tenantCollector shows the state of the sign-in, if it is configured.
type tenantCollector struct {
	state *atomic.Pointer[func() tenant.State]
	descs map[metric]*prometheus.Desc
}

func newTenantCollector(state *atomic.Pointer[func() tenant.State]) *tenantCollector {
	c := &tenantCollector{state: state, descs: map[metric]*prometheus.Desc{}}
	for _, id := range []metric{
		tokenExpiry, tokensFailing, credentialExpiry, mailboxSessions, mailboxSessionsLimit, mailboxWaiting, mailboxOldestWait,
	} {
		c.descs[id] = definitions[id].desc()
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *tenantCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *tenantCollector) Collect(ch chan<- prometheus.Metric) {
	of := c.state.Load()
	if of == nil {
		return
	}
	state := (*of)()
	show := func(id metric, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(c.descs[id], prometheus.GaugeValue, value, labels...)
	}
	if e := state.Credential.Expires; !e.IsZero() {
		show(credentialExpiry, seconds(e), label(state.Credential.Kind))
	}
	for _, m := range bounded(state.Mailboxes) {
		address := label(m.Address)
		show(mailboxSessions, float64(m.Sessions), address)
		show(mailboxSessionsLimit, float64(m.MaxSessions), address)
		show(mailboxWaiting, float64(m.Waiting), address, "session")
		show(mailboxWaiting, float64(m.WaitingMails), address, "mail")
		show(mailboxOldestWait, m.Oldest.Seconds(), address)
	}
	showTokens(state, show)
}

// showTokens shows the tokens by their kinds, whoever they belong to.
func showTokens(state tenant.State, show func(id metric, value float64, labels ...string)) {
	for kind, expires := range state.NextExpiry(time.Now()) {
		show(tokenExpiry, seconds(expires), kind)
	}
	failing := map[[2]string]int{}
	for _, t := range state.Tokens {
		if t.Reason != "" {
			failing[[2]string{t.Kind(), reasonLabel(t.Reason)}]++
		}
	}
	for of, n := range failing {
		show(tokensFailing, float64(n), of[0], of[1])
	}
}

// bounded returns the mailboxes that have series of their own, and one more for the
// others, if there are any.
func bounded(all []tenant.Mailbox) []tenant.Mailbox {
	if len(all) <= maxMailboxes {
		return all
	}
	rest := tenant.Mailbox{Address: other}
	for _, m := range all[maxMailboxes:] {
		rest.Sessions += m.Sessions
		rest.MaxSessions += m.MaxSessions
		rest.Waiting += m.Waiting
		rest.WaitingMails += m.WaitingMails
		rest.Oldest = max(rest.Oldest, m.Oldest)
	}
	return append(slices.Clone(all[:maxMailboxes]), rest)
}
