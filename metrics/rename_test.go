package metrics

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// lifts has n connections of a client lifted, with what all counters of clients count.
func lifts(t *testing.T, m *Metrics, addr, name string, n int) {
	t.Helper()
	for range n {
		observe(m, &record.Record{
			Client: netip.MustParseAddr(addr), ClientName: name, Start: time.Unix(100, 0), Protocol: record.ProtocolSMTP,
			OfferedVersion: "TLS 1.0", Outcome: record.OutcomeLifted, Rule: record.RuleTLSVersion,
			Reason: record.ReasonSMTPRejected, ClientTLS: &record.Handshake{Version: "TLS 1.0", CipherSuite: "RSA"},
			SMTPReplies: []record.SMTPReply{{Code: "550", Enhanced: "5.7.60", Count: 2}}, Accepted: 3,
			BytesFromClient: 10, BytesToClient: 20,
		})
	}
}

// wantCounters checks all counters of a client that had n of these connections.
func wantCounters(t *testing.T, m *Metrics, name string, n float64) {
	t.Helper()
	text := scrape(t, m)
	for series, each := range map[string]float64{
		`client_connections_total{client="NAME",outcome="lifted",protocol="smtp",tls_version="TLS 1.0"}`:  1,
		`client_handshakes_total{cipher_suite="RSA",client="NAME",resumed="false",tls_version="TLS 1.0"}`: 1,
		`client_failures_total{client="NAME",failing="true",reason="smtp_rejected"}`:                      1,
		`client_bytes_total{client="NAME",direction="from_client"}`:                                       10,
		`client_bytes_total{client="NAME",direction="to_client"}`:                                         20,
		`client_smtp_replies_total{client="NAME",code="550",enhanced_code="5.7.60"}`:                      2,
		`client_accepted_messages_total{client="NAME"}`:                                                   3,
	} {
		want := "tlslift_" + strings.ReplaceAll(series, "NAME", name) + " " + strconv.FormatFloat(n*each, 'f', -1, 64) + "\n"
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, ours(text))
		}
	}
}

// A client that gets a name, or another one, has series with this name only, and its
// counters go on.
func TestRenamedClientKeepsItsCounters(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	lifts(t, m, "10.0.0.7", "", 2)
	facts := Facts{
		Address: netip.MustParseAddr("10.0.0.7"), Name: "scanner", LastSeen: time.Unix(100, 0), LastLifted: time.Unix(100, 0),
		LastFailure: time.Unix(100, 0), Reason: record.ReasonSMTPRejected,
	}
	m.Rename([]Renaming{{From: "10.0.0.7", Now: facts}})
	wantCounters(t, m, "scanner", 2)
	lifts(t, m, "10.0.0.7", "scanner", 1)
	wantCounters(t, m, "scanner", 3)
	lifts(t, m, "10.0.0.8", "copier", 4)
	facts.Name = "copier"
	m.Rename([]Renaming{{From: "scanner", Now: facts}})
	wantCounters(t, m, "copier", 7)
	lifts(t, m, "10.0.0.8", "copier", 1)
	wantCounters(t, m, "copier", 8)
	if text := ours(scrape(t, m)); strings.Contains(text, `client="10.0.0.7"`) || strings.Contains(text, `client="scanner"`) {
		t.Errorf("a name from before has series:\n%s", text)
	}
	for name, want := range map[string]string{
		`tlslift_client_last_lifted_timestamp_seconds{client="copier"}`:                         "100",
		`tlslift_client_last_failure_timestamp_seconds{client="copier",reason="smtp_rejected"}`: "100",
		"tlslift_clients_tracked": "1",
	} {
		if got := series(t, m, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// Two clients that become one have one sum, whatever room there is for series.
func TestRenamingAddsUp(t *testing.T) {
	t.Parallel()
	m := New(Options{MaxClients: 1})
	lifts(t, m, "10.0.0.7", "", 1)
	lifts(t, m, "10.0.0.8", "old", 2)
	lifts(t, m, "10.0.0.9", "", 5) // has no room
	now := Facts{Address: netip.MustParseAddr("10.0.0.8"), Name: "new", LastSeen: time.Unix(100, 0)}
	m.Rename([]Renaming{{From: "10.0.0.7", Now: now}, {From: "old", Now: now}, {From: "10.0.0.9", Now: now}})
	wantCounters(t, m, "new", 3)
	wantCounters(t, m, "other", 5)
}

// A client that is forgotten has no series, and leaves room for another one if it had no
// name.
func TestForgottenClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{MaxClients: 2})
		lifts(t, m, "10.0.0.8", "scanner", 2)
		observe(m, at(address(1), ""), at(address(2), ""), at(address(3), ""))
		if text := scrape(t, m); !strings.Contains(text, `client="10.0.0.2"`) || strings.Contains(text, `client="10.0.0.3"`) {
			t.Errorf("want series of two clients without a name:\n%s", ours(text))
		}
		for _, name := range []string{"scanner", "10.0.0.2", "nobody", "other", "unknown", ""} {
			m.Forget(name)
		}
		observe(m, at(address(3), ""))
		text := ours(scrape(t, m))
		for name, want := range map[string]bool{"scanner": false, "10.0.0.1": true, "10.0.0.2": false, "10.0.0.3": true, "other": true} {
			if strings.Contains(text, `client="`+name+`"`) != want {
				t.Errorf("%s has series: %v\n%s", name, !want, text)
			}
		}
		lifts(t, m, "10.0.0.8", "scanner", 3)
		wantCounters(t, m, "scanner", 3)
	})
}
