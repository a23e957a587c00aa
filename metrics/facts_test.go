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

// After a restart the metrics show what was known before, and only newer times
// replace it.
func TestFactsOutliveARestart(t *testing.T) {
	t.Parallel()
	m := New(Options{MaxClients: 4})
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	m.Restore([]Facts{
		{
			Address: netip.MustParseAddr("10.0.0.7"), JA4: "the ja4", LastSeen: at(600), LastLifted: at(500), LastAccepted: at(500),
			LastLegacy: at(600), LastCapable: at(400), LastSuccess: at(500), LastFailure: at(600), Reason: record.ReasonClientUnknownCA,
		},
		{Address: netip.MustParseAddr("10.0.0.8"), Name: "scanner", LastSeen: at(300), LastLifted: at(300)},
		{Address: netip.MustParseAddr("10.0.0.9"), LastSeen: at(100)}, // half of the room is for others
	})
	check := func(want map[string]string) {
		t.Helper()
		for name, want := range want {
			if got := series(t, m, "tlslift_client_"+name); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	}
	check(map[string]string{
		`last_seen_timestamp_seconds{client="10.0.0.7"}`:                               "600",
		`last_lifted_timestamp_seconds{client="10.0.0.7"}`:                             "500",
		`last_accepted_timestamp_seconds{client="10.0.0.7"}`:                           "500",
		`last_legacy_timestamp_seconds{client="10.0.0.7"}`:                             "600",
		`last_capable_timestamp_seconds{client="10.0.0.7"}`:                            "400",
		`last_success_timestamp_seconds{client="10.0.0.7"}`:                            "500",
		`last_failure_timestamp_seconds{client="10.0.0.7",reason="client_unknown_ca"}`: "600",
		`info{address="10.0.0.7",client="10.0.0.7",fingerprint="the ja4",name=""}`:     "1",
		`last_lifted_timestamp_seconds{client="scanner"}`:                              "300",
		`last_seen_timestamp_seconds{client="10.0.0.9"}`:                               "absent",
		`last_legacy_timestamp_seconds{client="scanner"}`:                              "absent",
	})
	observe(m, &record.Record{
		Client: netip.MustParseAddr("10.0.0.7"), Start: at(700), Outcome: record.OutcomePassed, Rule: record.RuleCapable,
	})
	check(map[string]string{
		`last_success_timestamp_seconds{client="10.0.0.7"}`:                            "700",
		`last_capable_timestamp_seconds{client="10.0.0.7"}`:                            "700",
		`last_legacy_timestamp_seconds{client="10.0.0.7"}`:                             "600",
		`last_failure_timestamp_seconds{client="10.0.0.7",reason="client_unknown_ca"}`: "600",
	})
	if got := series(t, m, "tlslift_clients_overflowed_total"); got != "0" {
		t.Errorf("%s connections overflowed", got)
	}
}

func TestReloads(t *testing.T) {
	t.Parallel()
	m := New(Options{ConnectionsLimit: 7})
	m.SetReloaded(true, time.Unix(100, 0))
	m.SetReloaded(false, time.Unix(200, 0))
	for name, want := range map[string]string{
		"tlslift_config_last_reload_successful":                "0",
		"tlslift_config_last_reload_success_timestamp_seconds": "100",
		"tlslift_connections_limit":                            "7",
	} {
		if got := series(t, m, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}
