package metrics

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestExposition(t *testing.T) {
	t.Parallel()
	testenv.WantFile(t, "testdata/exposition.txt", ours(scrape(t, withStory())))
}

func TestOtherExpositionNamesTheBuildAndTheProcess(t *testing.T) {
	t.Parallel()
	text := scrape(t, withStory())
	for _, want := range []string{
		`revision="abc",version="1.2.3"} 1`, "\ngo_goroutines ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the exposition lacks %q", want)
		}
	}
}

func TestAuthorityIsAbsentUntilSetAndCanBeReplaced(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	if got := series(t, m, "tlslift_ca_not_after_timestamp_seconds"); got != "absent" {
		t.Errorf("expiry without an authority is %s, want none", got)
	}
	m.SetCA(time.Unix(1, 0), func() uint64 { return 1 }, func() string { return "" })
	m.SetCA(time.Unix(42, 0), func() uint64 { return 7 }, func() string { return "gone" })
	if got := series(t, m, "tlslift_ca_not_after_timestamp_seconds"); got != "42" {
		t.Errorf("expiry is %s, want 42", got)
	}
	if got := series(t, m, "tlslift_certificates_issued_total"); got != "7" {
		t.Errorf("issued is %s, want 7", got)
	}
	if got := series(t, m, "tlslift_ca_files_usable"); got != "0" {
		t.Errorf("files that are gone are %s, want 0", got)
	}
}

func TestHandshakesAreNativeHistogramsToo(t *testing.T) {
	t.Parallel()
	families, err := withStory().Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range families {
		if f.GetName() != "tlslift_handshake_duration_seconds" {
			continue
		}
		for _, s := range f.GetMetric() {
			if len(s.GetHistogram().GetPositiveSpan()) > 0 && len(s.GetHistogram().GetBucket()) > 0 {
				found++
			}
		}
	}
	if found != 2 {
		t.Errorf("%d sides have both classic and native buckets, want 2", found)
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	problems, err := promlint.New(strings.NewReader(scrape(t, withStory()))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestPromtoolAcceptsExposition(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "promtool")
	cmd := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(scrape(t, withStory()))
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestHostileLabelsAreTamed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		record record.Record
		want   string
	}{
		{"made-up version", record.Record{OfferedVersion: "0x1234"},
			`tlslift_client_connections_total{client="unknown",outcome="failed",protocol="unknown",tls_version="unknown"}`},
		{"no hello", record.Record{OfferedVersion: "none"},
			`tlslift_client_connections_total{client="unknown",outcome="failed",protocol="unknown",tls_version="none"}`},
		{"SSL 3.0", record.Record{OfferedVersion: "SSL 3.0", Protocol: "tls"},
			`tlslift_client_connections_total{client="unknown",outcome="failed",protocol="tls",tls_version="SSL 3.0"}`},
		{"zone that is not UTF-8", record.Record{Client: netip.MustParseAddr("fe80::1").WithZone("\xff")},
			"tlslift_client_connections_total{client=\"fe80::1%\uFFFD\",outcome=\"failed\",protocol=\"unknown\",tls_version=\"none\"}"},
		{"destination that is not UTF-8", record.Record{Destination: "a\xff:443", Reason: record.ReasonUpstreamTimeout},
			"tlslift_upstream_failures_total{destination=\"a\uFFFD:443\",reason=\"upstream_timeout\"}"},
		{"no destination", record.Record{Reason: record.ReasonUpstreamTimeout},
			`tlslift_upstream_failures_total{destination="unknown",reason="upstream_timeout"}`},
		{"bytes below zero", record.Record{BytesFromClient: -1},
			`tlslift_client_connections_total{client="unknown",outcome="failed",protocol="unknown",tls_version="none"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := New(Options{})
			tc.record.Outcome = record.OutcomeFailed
			observe(m, &tc.record)
			if got := series(t, m, tc.want); got != "1" {
				t.Errorf("%s is %s, want 1; have:\n%s", tc.want, got, ours(scrape(t, m)))
			}
		})
	}
}

func TestReasonsOfTheUpstream(t *testing.T) {
	t.Parallel()
	var got []record.Reason
	for _, r := range record.Reasons() {
		if r.Fault() == record.FaultDestination {
			got = append(got, r)
		}
	}
	for _, r := range []record.Reason{
		record.ReasonAddressForbidden, record.ReasonNameNotFound, record.ReasonEgressProxyFailed,
		record.ReasonUpstreamCertExpired, record.ReasonUpstreamRefusedHello,
	} {
		if !slices.Contains(got, r) {
			t.Errorf("%s is not counted as the upstream's", r)
		}
	}
	for _, r := range []record.Reason{
		"", record.ReasonClientUnknownCA, record.ReasonDestinationNotAllowed, record.ReasonHelloTimeout, record.ReasonInternal,
	} {
		if slices.Contains(got, r) {
			t.Errorf("%s is counted as the upstream's", r)
		}
	}
}

// The label failing is the one of the table of reasons, so that the alerts agree
// with the status page, the API and the log.
func TestFailingOfEveryReason(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	for i, r := range record.Reasons() {
		observe(m, &record.Record{Client: address(i), Outcome: r.Outcome(), Reason: r})
	}
	for i, r := range record.Reasons() {
		name := fmt.Sprintf(`tlslift_client_failures_total{client="%s",failing="%v",reason="%s"}`, address(i), r.Failing(), r)
		if got := series(t, m, name); got != "1" {
			t.Errorf("%s is %s, want 1", name, got)
		}
	}
}

var failureSeries = regexp.MustCompile(`tlslift_client_failures_total\{.*reason="([^"]*)",failing="([^"]*)"`)

// The promtool tests of the rules have the reasons as tlslift exports them.
func TestFailingInTheTestsOfTheRules(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../deploy/prometheus/*_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range failureSeries.FindAllStringSubmatch(string(text), -1) {
			found++
			if r := record.Reason(m[1]); !slices.Contains(record.Reasons(), r) || strconv.FormatBool(r.Failing()) != m[2] {
				t.Errorf("%s: reason %s has failing %s", file, m[1], m[2])
			}
		}
	}
	if found == 0 {
		t.Error("found no reason: the test looks at the wrong thing")
	}
}
