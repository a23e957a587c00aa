package metrics

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlslift/tlslift/proxy/record"
)

func TestClientTable(t *testing.T) {
	t.Parallel()
	const want = `CLIENT     PROTOCOL  OFFERED  OUTCOME  CONNECTIONS
10.0.0.7   tls       TLS 1.0  lifted   2
10.0.0.8   tls       TLS 1.1  failed   1
10.0.0.9   smtp      none     lifted   1
10.0.0.40  tls       TLS 1.3  passed   1
fd00::9    tls       TLS 1.0  failed   1
unknown    unknown   none     refused  1

CLIENT    REASON                CONNECTIONS
10.0.0.8  client_unknown_ca     1
10.0.0.9  smtp_send_as_denied   1
fd00::9   upstream_timeout      1
unknown   proxy_header_invalid  1
`
	var b strings.Builder
	if err := WriteClientTable(&b, withStory().Gatherer()); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(b.String(), want) {
		t.Errorf("got\n%s\nwant at first\n%s", b.String(), want)
	}
	for _, r := range record.Reasons() {
		explained := strings.Contains(b.String(), "\n"+string(r)+": "+r.Cause()+"\n  "+r.Remedy()+"\n")
		happened := strings.Contains(want, " "+string(r)+" ")
		if explained != happened {
			t.Errorf("%s: explained %v, happened %v", r, explained, happened)
		}
	}
}

func TestClientTableWithoutFailuresEndsAfterConnections(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	observe(m, story()[0])
	var b strings.Builder
	if err := WriteClientTable(&b, m.Gatherer()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "REASON") || strings.Count(b.String(), "\n") != 2 {
		t.Errorf("want a heading and one line, got\n%s", b.String())
	}
}

func TestClientTableSaysWhenThereIsNothing(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := WriteClientTable(&b, New(Options{}).Gatherer()); err != nil {
		t.Fatal(err)
	}
	if b.String() != "No client has connected yet.\n" {
		t.Errorf("got %q", b.String())
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errBroken }

var errBroken = errors.New("broken")

func TestClientTableReportsErrors(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	observe(m, story()[0])
	if err := WriteClientTable(brokenPipe{}, m.Gatherer()); !errors.Is(err, errBroken) {
		t.Errorf("writing: got %v", err)
	}
	m.registry.MustRegister(collision{})
	var b strings.Builder
	if err := WriteClientTable(&b, m.Gatherer()); err == nil || !strings.Contains(err.Error(), "gathering metrics") {
		t.Errorf("gathering: got %v", err)
	}
}

// collision collects a metric that exists already.
type collision struct{}

func (collision) Describe(chan<- *prometheus.Desc) {}

func (collision) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(definitions[clientsTracked].desc(), prometheus.GaugeValue, 1)
}
