package metrics

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// The times of the last success and of the last failure say whether a client is
// failing; only the last failure has a series.
func TestLastSuccessAndFailure(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	connection := func(at time.Duration, reason record.Reason) *record.Record {
		return &record.Record{
			Client: netip.MustParseAddr("10.0.0.7"), Start: time.Unix(0, 0).Add(at), Outcome: record.OutcomeLifted, Reason: reason,
		}
	}
	observe(m,
		connection(100*time.Second, record.ReasonClientUnknownCA),
		connection(200*time.Second, ""),
		connection(400*time.Second, record.ReasonSMTPAuthFailed),
		connection(300*time.Second, record.ReasonClientUnknownCA), // ends late
		connection(500*time.Second, record.ReasonClosedBeforeTLS), // nobody's fault
	)
	for name, want := range map[string]string{
		`tlslift_client_last_success_timestamp_seconds{client="10.0.0.7"}`:                            "200",
		`tlslift_client_last_failure_timestamp_seconds{client="10.0.0.7",reason="smtp_auth_failed"}`:  "400",
		`tlslift_client_last_failure_timestamp_seconds{client="10.0.0.7",reason="client_unknown_ca"}`: "absent",
		`tlslift_client_last_seen_timestamp_seconds{client="10.0.0.7"}`:                               "500",
	} {
		if got := series(t, m, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// A client that connects and sends nothing shows with zero.
func TestAcceptedMailIsCounted(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	for i, accepted := range []int{0, 3, 0} {
		observe(m, &record.Record{
			Client: netip.MustParseAddr("10.0.0.7"), Start: time.Unix(int64(i+1)*100, 0), Protocol: record.ProtocolSMTP,
			Outcome: record.OutcomeLifted, Accepted: accepted,
		})
		const total = `tlslift_client_accepted_messages_total{client="10.0.0.7"}`
		if got, want := series(t, m, total), []string{"0", "3", "3"}[i]; got != want {
			t.Errorf("%s is %s, want %s", total, got, want)
		}
	}
	if got := series(t, m, `tlslift_client_last_accepted_timestamp_seconds{client="10.0.0.7"}`); got != "200" {
		t.Errorf("last accepted at %s", got)
	}
}
