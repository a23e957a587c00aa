package metrics

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/probes"
	"github.com/tlslift/tlslift/metrics/tenant"
	"github.com/tlslift/tlslift/proxy/record"
)

const proxyListener = "proxy://127.0.0.1:3128"

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// story is a day in an office: a printer that is lifted, twice, a laptop that
// passes, and three that go wrong.
func story() []*record.Record {
	printer := &record.Handshake{Version: "TLS 1.0", CipherSuite: "TLS_RSA_WITH_AES_128_CBC_SHA", Duration: 300 * time.Millisecond}
	again := *printer
	again.Resumed, again.Duration = true, 20*time.Millisecond
	microsoft := &record.Handshake{Version: "TLS 1.3", CipherSuite: "TLS_AES_256_GCM_SHA384", Duration: 40 * time.Millisecond}
	const office = "outlook.office365.com:443"
	return []*record.Record{
		{
			Listener: proxyListener, Client: netip.MustParseAddr("::ffff:10.0.0.7"), Start: start, Duration: 2 * time.Second,
			Protocol: "tls", Destination: office, OfferedVersion: "TLS 1.0", Rule: record.RuleTLSVersion, Outcome: record.OutcomeLifted,
			ClientTLS: printer, UpstreamTLS: microsoft, BytesFromClient: 1000, BytesToClient: 5000,
			JA4: "t10i210100_123456789abc_cba987654321",
		}, {
			Listener: proxyListener, Client: netip.MustParseAddr("10.0.0.7"), Start: start.Add(time.Minute), Duration: time.Second,
			Protocol: "tls", Destination: office, OfferedVersion: "TLS 1.0", Outcome: record.OutcomeLifted,
			ClientTLS: &again, UpstreamTLS: microsoft, BytesFromClient: 1, BytesToClient: 2,
		}, {
			Listener: proxyListener, Client: netip.MustParseAddr("10.0.0.40"), Start: start, Duration: 3 * time.Minute,
			Protocol: "tls", Destination: office, OfferedVersion: "TLS 1.3", Rule: record.RuleCapable, Outcome: record.OutcomePassed,
			BytesFromClient: 100, BytesToClient: 200,
		}, {
			Listener: proxyListener, Client: netip.MustParseAddr("10.0.0.8"), Start: start, Duration: time.Second,
			Protocol: "tls", Destination: office, OfferedVersion: "TLS 1.1", Outcome: record.OutcomeFailed,
			Reason: record.ReasonClientUnknownCA, UpstreamTLS: microsoft,
		}, {
			Listener: "tls://127.0.0.1:8443", Client: netip.MustParseAddr("fd00::9"), Start: start, Duration: 5 * time.Second,
			Protocol: "tls", Destination: "smtp.office365.com:587", OfferedVersion: "TLS 1.0", Outcome: record.OutcomeFailed,
			Reason: record.ReasonUpstreamTimeout,
		}, {
			Listener: proxyListener, Start: start, Duration: time.Millisecond,
			Outcome: record.OutcomeRefused, Reason: record.ReasonProxyHeaderInvalid,
		}, {
			Listener: "smtp://127.0.0.1:2587", Client: netip.MustParseAddr("10.0.0.9"), Start: start, Duration: time.Second,
			Protocol: "smtp", Destination: "smtp.office365.com:587", OfferedVersion: "none", Outcome: record.OutcomeLifted,
			Mailbox: "scan@contoso.com", Login: "copier1",
			Reason: record.ReasonSMTPSendAsDenied, SMTPReply: "550 5.7.60", UpstreamTLS: microsoft, Accepted: 2,
			SMTPReplies: []record.SMTPReply{
				{Code: "250", Enhanced: "2.1.0", Count: 2}, {Code: "354", Count: 1}, {Code: "550", Enhanced: "5.7.60", Count: 1},
			},
		},
	}
}

// observe shows m the records, from accept to close.
func observe(m *Metrics, records ...*record.Record) {
	for _, r := range records {
		m.Opened(r.Listener)
		m.Closed(r)
	}
}

// withStory returns metrics that have seen the story and have one more connection
// open.
func withStory() *Metrics {
	m := New(Options{Version: "1.2.3", Revision: "abc", ConnectionsLimit: 4096, LogLinesDropped: func() int64 { return 12 }})
	m.SetReloaded(true, start)
	ShowWebConfig(m, func() int64 { return 2 })
	m.SetCA(start.AddDate(10, 0, 0), func() uint64 { return 3 }, func() string { return "" })
	m.SetEndpointsChecked(start)
	m.CountRefresh("updated")
	m.Probes.Show([]probes.Probe{
		{Destination: "outlook.office365.com:443", Took: 80 * time.Millisecond},
		{Destination: "smtp.office365.com:587", Took: 30 * time.Second, Reason: record.ReasonUpstreamTimeout},
	})
	m.SignIn.Show(func() tenant.State { return aTenant(start.AddDate(100, 0, 0)) })
	m.SignIn.TokenRequested("", 300*time.Millisecond)
	m.SignIn.TokenRequested(record.ReasonEntraUnreachable, 30*time.Second)
	observe(m, story()...)
	m.Opened(proxyListener)
	return m
}

// scrape returns what /metrics answers to a scraper that wants plain text.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("scraping: status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// ours drops the series of the Go runtime and of the process, and the one
// whose value is the compiler's.
func ours(exposition string) string {
	var b strings.Builder
	for line := range strings.Lines(exposition) {
		if strings.Contains(line, "tlslift_") && !strings.HasPrefix(line, "tlslift_build_info") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// series returns the value of the one series that is written exactly so.
func series(t *testing.T, m *Metrics, name string) string {
	t.Helper()
	for line := range strings.Lines(scrape(t, m)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return "absent"
}
