package metrics

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tlslift/tlslift/proxy/record"
)

// hostile are connections whose labels need care when they are written and sorted.
func hostile() []*record.Record {
	all := append(story(), troubles(address(300))...)
	for i, name := range []string{`a"quote`, `back\slash`, "new\nline", "ünïcode", "other", "unknown", "10.0.0.7", "Z", "a", "a b"} {
		all = append(all, &record.Record{
			Client: address(i), ClientName: name, Start: start, Outcome: record.OutcomeLifted, Protocol: record.ProtocolSMTP, JA4: name,
			BytesFromClient: 1 << (7 * i), BytesToClient: 999_999 + int64(i), Accepted: 12_345_678,
			ClientTLS: &record.Handshake{Version: "TLS 1.0", CipherSuite: name}, SMTPReplies: []record.SMTPReply{{Code: name, Count: 1}},
		})
	}
	return append(all, &record.Record{Client: netip.MustParseAddr("fe80::1").WithZone("\xff"), Start: time.Unix(1, 1e6), Outcome: "x"})
}

// library returns a registry of the library of Prometheus with the same series of clients.
func library(t *testing.T, m *Metrics) *prometheus.Registry {
	t.Helper()
	r := registry{prometheus.NewRegistry()}
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for id, d := range definitions {
		if !d.isOfClients() {
			continue
		}
		counters, gauges := (*prometheus.CounterVec)(nil), (*prometheus.GaugeVec)(nil)
		if d.kind == counter {
			counters = r.counter(metric(id))
		} else {
			gauges = r.gauge(metric(id))
		}
		for _, f := range families {
			if f.GetName() != d.fullName() {
				continue
			}
			for _, s := range f.GetMetric() {
				labels := prometheus.Labels{}
				for _, pair := range s.GetLabel() {
					labels[pair.GetName()] = pair.GetValue()
				}
				if counters != nil {
					counters.With(labels).Add(s.GetCounter().GetValue())
				} else {
					gauges.With(labels).Set(s.GetGauge().GetValue())
				}
			}
		}
	}
	return r.Registry
}

// The series of clients are written without the library of Prometheus, to the letter as it
// writes them.
func TestSeriesOfClientsAreWrittenAsTheLibraryDoes(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	observe(m, hostile()...)
	for _, accept := range []string{
		"", "text/plain;version=1.0.0;escaping=allow-utf-8", "application/openmetrics-text;version=0.0.1",
		"application/openmetrics-text;version=1.0.0;escaping=underscores", "application/openmetrics-text", "*/*",
	} {
		text := func(h http.Handler) (text, kind string) {
			resp := ask(h, http.Header{"Accept": {accept}})
			var b strings.Builder
			for line := range strings.Lines(body(t, resp)) {
				if strings.Contains(line, "tlslift_client_") || strings.HasPrefix(line, "# EOF") {
					b.WriteString(line)
				}
			}
			return b.String(), resp.Header.Get("Content-Type")
		}
		got, gotKind := text(m.Handler())
		want, wantKind := text(promhttp.HandlerFor(library(t, m), promhttp.HandlerOpts{EnableOpenMetrics: true}))
		if got != want || gotKind != wantKind {
			t.Errorf("Accept: %s: %s\n%s\nwant %s\n%s", accept, gotKind, got, wantKind, want)
		}
		if n := strings.Count(got, "\n"); n < 150 {
			t.Errorf("only %d lines are compared", n)
		}
	}
}

// A registry of the library finds nothing wrong with what is gathered, in the order of the
// text.
func TestGatheredSeriesAreInOrder(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	observe(m, hostile()...)
	got, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	again, err := prometheus.Gatherers{m.Gatherer()}.Gather() // checks and sorts
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	compared := 0
	for i, f := range got {
		if !strings.HasPrefix(f.GetName(), "tlslift_client_") {
			continue
		}
		for j, s := range f.GetMetric() {
			compared++
			if want := again[i].GetMetric()[j]; s.String() != want.String() {
				t.Errorf("%s %d is %s, want %s", f.GetName(), j, s, want)
			}
			if c := s.GetCounter(); c != nil && now.Sub(c.GetCreatedTimestamp().AsTime()).Abs() > time.Hour {
				t.Errorf("%s has begun at %s", s, c.GetCreatedTimestamp().AsTime())
			}
		}
	}
	if compared < 150 {
		t.Errorf("only %d series are compared", compared)
	}
}

func TestOneMetricCanBeAskedFor(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/metrics?name[]=tlslift_client_bytes_total", nil)
	w := httptest.NewRecorder()
	withStory().Handler().ServeHTTP(w, r)
	if text := w.Body.String(); !strings.Contains(text, "tlslift_client_bytes_total{") || strings.Contains(text, "tlslift_client_info") {
		t.Errorf("got\n%s", text)
	}
}

func TestScrapesAreLimited(t *testing.T) {
	t.Parallel()
	h := withStory().Handler().(*handler)
	for range maxScrapes {
		h.running <- struct{}{}
	}
	if resp := ask(h, nil); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one more scrape: status %d", resp.StatusCode)
	}
	<-h.running
	if resp := ask(h, nil); resp.StatusCode != http.StatusOK {
		t.Errorf("the next one: status %d", resp.StatusCode)
	}
}

func TestScrapeReportsErrors(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	m.registry.MustRegister(collision{})
	for _, accept := range []string{"", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"} {
		resp := ask(m.Handler(), http.Header{"Accept": {accept}})
		if text := body(t, resp); resp.StatusCode != http.StatusInternalServerError || !strings.Contains(text, "clients_tracked") {
			t.Errorf("%q: status %d: %s", accept, resp.StatusCode, text)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0, br": false,
		"deflate": false, "gzipped": false, "gzip;q=x": false, "gzip ; level=1": true,
	} {
		if got := acceptsGzip([]string{accept}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}
