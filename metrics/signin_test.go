package metrics

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/tenant"
	"github.com/tlslift/tlslift/proxy/record"
)

// aSession is a session in which a client signed in, if it has a mailbox.
func aSession(client int, mailbox string, reason record.Reason) *record.Record {
	return &record.Record{
		Client: address(client), Start: start, Protocol: record.ProtocolSMTP, Rule: record.RuleSignIn,
		Outcome: record.OutcomeLifted, Mailbox: mailbox, Login: "copier1", Reason: reason,
	}
}

// A session counts once, by whether it was signed in; what comes later is not about that.
func TestLogins(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	refused := aSession(2, "scan@contoso.com", record.ReasonEntraUnreachable) // the record names whose mailbox it is
	refused.Outcome = record.OutcomeFailed
	observe(m, refused, aSession(1, "scan@contoso.com", ""), aSession(1, "scan@contoso.com", record.ReasonSMTPSendAsDenied),
		aSession(1, "scan@contoso.com", record.ReasonMailboxBusy), // for its mail
		aSession(1, "", record.ReasonMailboxBusy), aSession(1, "", record.ReasonSigninPasswordWrong),
		aSession(2, "", record.ReasonEntraUnreachable), aSession(2, "", record.ReasonClosedBeforeTLS),
		aSession(3, "", record.ReasonUpstreamTimeout), aSession(3, "", ""))
	want := map[string]string{
		"10.0.0.1 ok": "3", "10.0.0.1 mailbox_busy": "1", "10.0.0.1 signin_password_wrong": "1", "10.0.0.2 entra_unreachable": "2",
	}
	for of, n := range want {
		var client, result string
		if _, err := fmt.Sscan(of, &client, &result); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("tlslift_client_logins_total{client=%q,result=%q}", client, result)
		if got := series(t, m, name); got != n {
			t.Errorf("%s is %s, want %s", name, got, n)
		}
	}
	text := scrape(t, m)
	if got := strings.Count(text, "\ntlslift_client_logins_total{"); got != len(want) {
		t.Errorf("%d series of logins, want %d:\n%s", got, len(want), ours(text))
	}
	for _, typed := range []string{"copier1", "contoso"} {
		if strings.Contains(text, typed) {
			t.Errorf("%q is in the metrics", typed)
		}
	}
}

// Each reason with which a sign-in ends has a result, and no other.
func TestReasonsOfTheSignIn(t *testing.T) {
	t.Parallel()
	var got []string
	for _, r := range record.Reasons() {
		if r.SignInFailed() {
			got = append(got, string(r))
		}
	}
	for _, r := range []string{
		"signin_password_wrong", "signin_tries_limited", "mailbox_busy", "entra_unreachable", "application_secret_expired",
		"delegated_login_missing", "mailbox_refused",
	} {
		if !slices.Contains(got, r) {
			t.Errorf("%s is no result of a login", r)
		}
	}
	for _, r := range []string{"sender_not_allowed", "smtp_auth_failed", "client_unknown_ca", "upstream_timeout"} {
		if slices.Contains(got, r) {
			t.Errorf("%s is a result of a login", r)
		}
	}
}

func TestTokenRequests(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	if text := scrape(t, m); strings.Contains(text, "tlslift_signin_token_requests_total{") {
		t.Errorf("without a sign-in there are requests:\n%s", ours(text))
	}
	m.SignIn.Show(func() tenant.State { return tenant.State{} })
	const of = "tlslift_signin_token_requests_total"
	if got := series(t, m, of+`{result="ok"}`); got != "0" {
		t.Errorf("requests before the first one: %s", got)
	}
	m.SignIn.TokenRequested("", time.Second)
	m.SignIn.TokenRequested(record.ReasonClockSkew, 3*time.Second)
	m.SignIn.TokenRequested("of\nsomebody", 0)
	for name, want := range map[string]string{
		of + `{result="ok"}`: "1", of + `{result="clock_skew"}`: "1", of + `{result="unknown"}`: "1",
		"tlslift_signin_token_request_duration_seconds_sum": "4", "tlslift_signin_token_request_duration_seconds_count": "3",
	} {
		if got := series(t, m, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// aTenant is a tenant with tokens of all kinds.
func aTenant(now time.Time) tenant.State {
	return tenant.State{
		Tenant: "contoso.onmicrosoft.com", Credential: tenant.Credential{Kind: "certificate", Expires: time.Unix(4e9, 0)},
		Mailboxes: []tenant.Mailbox{
			{Address: "scan@contoso.com", Sessions: 3, MaxSessions: 3, Waiting: 2, WaitingMails: 1, Oldest: 1500 * time.Millisecond},
			{Address: "fax@contoso.com", MaxSessions: 1},
		},
		Tokens: []tenant.Token{
			{Expires: now.Add(time.Hour).Truncate(time.Second)},
			{HVE: true, Reason: record.ReasonConsentMissing},
			{Account: "a@contoso.com", Protocol: record.ProtocolSMTP, Expires: now.Add(-time.Hour), Reason: record.ReasonEntraUnreachable},
			{Account: "b@contoso.com", Protocol: record.ProtocolIMAP, Reason: record.ReasonEntraUnreachable},
			{Account: "a@contoso.com", Protocol: record.ProtocolIMAP, Expires: now.Add(3 * time.Hour).Truncate(time.Second)},
			{Account: "c@contoso.com", Protocol: record.ProtocolIMAP, Expires: now.Add(2 * time.Hour).Truncate(time.Second)},
		},
	}
}

func TestTenant(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	if text := scrape(t, m); strings.Contains(text, "tlslift_signin_sessions") {
		t.Errorf("without a sign-in there are mailboxes:\n%s", ours(text))
	}
	now := time.Now()
	m.SignIn.Show(func() tenant.State { return aTenant(now) })
	at := func(d time.Duration) string { return fmt.Sprint(float64(now.Add(d).Unix())) }
	want := map[string]string{
		`tlslift_signin_credential_not_after_timestamp_seconds{credential="certificate"}`: "4e+09",
		`tlslift_signin_token_not_after_timestamp_seconds{kind="application"}`:            at(time.Hour),
		`tlslift_signin_token_not_after_timestamp_seconds{kind="delegated"}`:              at(2 * time.Hour),
		`tlslift_signin_token_not_after_timestamp_seconds{kind="application_hve"}`:        "absent",
		`tlslift_signin_tokens_failing{kind="delegated",reason="entra_unreachable"}`:      "2",
		`tlslift_signin_tokens_failing{kind="application_hve",reason="consent_missing"}`:  "1",
		`tlslift_signin_sessions{mailbox="scan@contoso.com"}`:                             "3",
		`tlslift_signin_sessions{mailbox="fax@contoso.com"}`:                              "0",
		`tlslift_signin_sessions_limit{mailbox="scan@contoso.com"}`:                       "3",
		`tlslift_signin_waiting{for="session",mailbox="scan@contoso.com"}`:                "2",
		`tlslift_signin_waiting{for="mail",mailbox="scan@contoso.com"}`:                   "1",
		`tlslift_signin_oldest_wait_seconds{mailbox="scan@contoso.com"}`:                  "1.5",
		`tlslift_signin_oldest_wait_seconds{mailbox="fax@contoso.com"}`:                   "0",
	}
	for name, value := range want {
		if got := series(t, m, name); got != value {
			t.Errorf("%s is %s, want %s", name, got, value)
		}
	}
}

// A secret whose end nobody has written down has no series: 1970 would raise an alert.
func TestCredentialThatIsNotKnown(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	m.SignIn.Show(func() tenant.State { return tenant.State{Credential: tenant.Credential{Kind: "secret"}} })
	if text := scrape(t, m); strings.Contains(text, "\ntlslift_signin_credential") {
		t.Errorf("it has a series:\n%s", ours(text))
	}
}

// However many mailboxes a file has, there is a limit to their series; their sums stay.
func TestManyMailboxes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{maxMailboxes, maxMailboxes + 3} {
		var state tenant.State
		for i := range n {
			state.Mailboxes = append(state.Mailboxes, tenant.Mailbox{
				Address: fmt.Sprintf("box-%d@contoso.com", i), Sessions: 1, MaxSessions: 2, Waiting: 3, WaitingMails: 4,
				Oldest: time.Duration(i) * time.Second,
			})
		}
		m := New(Options{})
		m.SignIn.Show(func() tenant.State { return state })
		want := map[string]string{"sessions": "3", "sessions_limit": "6", "oldest_wait_seconds": fmt.Sprint(n - 1)}
		series3 := maxMailboxes + 1
		if n == maxMailboxes {
			want, series3 = map[string]string{"sessions": "absent"}, maxMailboxes
		}
		for name, value := range want {
			if got := series(t, m, "tlslift_signin_"+name+`{mailbox="other"}`); got != value {
				t.Errorf("%d mailboxes: %s of the others is %s, want %s", n, name, got, value)
			}
		}
		if got := strings.Count(scrape(t, m), "\ntlslift_signin_sessions{"); got != series3 {
			t.Errorf("%d mailboxes have %d series, want %d", n, got, series3)
		}
	}
}

// A mailbox's address comes from a file, and may be anything that the file's reader
// lets through.
func TestMailboxThatIsNoUTF8(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	m.SignIn.Show(func() tenant.State {
		return tenant.State{Mailboxes: []tenant.Mailbox{{Address: "a\xff@contoso.com", Sessions: 1}}}
	})
	if got := series(t, m, "tlslift_signin_sessions{mailbox=\"a\uFFFD@contoso.com\"}"); got != "1" {
		t.Errorf("it has %s sessions", got)
	}
}

// The series of a client that is forgotten or renamed go with it.
func TestLoginsOfAClientThatIsForgotten(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	refused := aSession(2, "scan@contoso.com", record.ReasonEntraUnreachable) // the record names whose mailbox it is
	refused.Outcome = record.OutcomeFailed
	observe(m, refused, aSession(1, "scan@contoso.com", ""), aSession(2, "scan@contoso.com", ""))
	m.Forget("10.0.0.1")
	m.Rename([]Renaming{{From: "10.0.0.2", Now: Facts{Address: netip.MustParseAddr("10.0.0.2"), Name: "copier-2", LastSeen: start}}})
	for client, want := range map[string]string{"10.0.0.1": "absent", "10.0.0.2": "absent", "copier-2": "1"} {
		if got := series(t, m, fmt.Sprintf("tlslift_client_logins_total{client=%q,result=\"ok\"}", client)); got != want {
			t.Errorf("%s has %s logins, want %s", client, got, want)
		}
	}
}
