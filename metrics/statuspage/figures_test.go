package statuspage

import (
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// failed returns a client whose last connections were lifted and had a problem.
func failed(n int, name string, at time.Duration) inventory.Client {
	c := lifted(n, name, "TLS 1.0", "tls_version", at)
	c.Failure, c.LastGood = failure(record.ReasonSMTPAuthFailed, time.Now().Add(-at), ""), time.Time{}
	c.Outcomes, c.FailedInSession = map[record.Outcome]uint64{record.OutcomeLifted: 1}, 1
	return c
}

// What failed a month ago and has not tried since does not fail now.
func TestWasFailing(t *testing.T) {
	t.Parallel()
	k := testenv.NewInventory(failed(1, "gone", 28*day), failed(2, "weekend", 25*time.Hour), failed(3, "now", 23*time.Hour))
	h := newSite(t, options(t, k))
	body := page(t, h, "/")
	wantInOrder(t, body, "Failing now", "<strong>1</strong>", "smtp_auth_failed", "3 clients, 1 failing now",
		"<bdi>gone</bdi>", "<bdi>now</bdi>", "<bdi>weekend</bdi>", "Failing <span>1</span>",
		"<bdi>now</bdi>", ">Failing<", "<bdi>gone</bdi>", ">Was failing<", "<bdi>weekend</bdi>", ">Was failing<")
	got := page(t, h, "/api/v1/clients?filter=failing")
	if strings.Count(got, `"client"`) != 1 || !strings.Contains(got, `"state":"failing"`) {
		t.Errorf("the API says %s", got)
	}
	got = page(t, h, "/api/v1/clients/gone")
	if !strings.Contains(got, `"failing":false`) || !strings.Contains(got, `"state":"was_failing"`) {
		t.Errorf("the API says %s", got)
	}
	wantInOrder(t, page(t, h, "/clients/gone"), "This client was failing: its last connection had a problem, and it has not tried again")
}

// A client with a problem shows in which connections it had one.
func TestFailuresInSessionsAreShown(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, testenv.NewInventory(failed(1, "copier", time.Hour))))
	body := page(t, h, "/")
	wantInOrder(t, body, ">Failing<", "1 lifted", "1 failed in session")
	wantInOrder(t, page(t, h, "/clients/copier"), "1 lifted, 0 passed, 0 refused, 0 failed; 1 of those passed or lifted failed in the session")
	wantInOrder(t, page(t, h, "/clients/copier"), "it does not offer TLS 1.2 or newer", "TLS 1.0")
}

// The number of clients that need lifting is that of the clients in the list that
// it leads to.
func TestFigureAndFilterAgree(t *testing.T) {
	t.Parallel()
	k := testenv.NewInventory(lifted(1, "a", "TLS 1.0", "tls_version", day), lifted(2, "b", "TLS 1.0", "tls_version", 40*day))
	wantInOrder(t, page(t, newSite(t, options(t, k)), "/?filter=legacy"),
		"Still need lifting", "<strong>1</strong>", "Need lifting <span>1</span>", "1 of 2 clients")
}

// An old client that gets nowhere keeps tlslift from being switched off.
func TestOldClientsThatFailAreNeeded(t *testing.T) {
	t.Parallel()
	printer := failed(1, "printer", time.Hour)
	printer.LastLifted = time.Time{}
	body := page(t, newSite(t, options(t, testenv.NewInventory(printer))), "/")
	wantInOrder(t, body, "Still need lifting", "<strong>1</strong>", "No: 1 client that needs it tries and fails",
		"No connection was lifted yet.")
	another := failed(2, "another", time.Hour)
	another.LastLifted = time.Now().Add(-31 * day)
	body = page(t, newSite(t, options(t, testenv.NewInventory(printer, another))), "/")
	wantInOrder(t, body, "No: 2 clients that need it try and fail")
	works := lifted(3, "works", "TLS 1.0", "tls_version", time.Minute)
	body = page(t, newSite(t, options(t, testenv.NewInventory(printer, works))), "/")
	wantInOrder(t, body, "Not now", "1 in 7 days, 1 in 30 days. 1 client that needs it tries and fails.")
}

// What was accepted shows, and a client that connects and sends nothing does too.
func TestMailThatWasAccepted(t *testing.T) {
	t.Parallel()
	silent, sending, ended := lifted(1, "a", "TLS 1.0", "tls_version", day), lifted(2, "b", "TLS 1.0", "tls_version", day),
		lifted(3, "c", "TLS 1.0", "tls_version", day)
	silent.SessionsWithoutMail = 12
	sending.Accepted, sending.LastAccepted = 1, time.Now().Add(-day)
	ended.Accepted, ended.LastAccepted, ended.SessionsWithoutMail = 40, time.Now().Add(-3*day), 2
	h := newSite(t, options(t, testenv.NewInventory(silent, sending, ended)))
	wantInOrder(t, page(t, h, "/?sort=name"), "connected 12 times, sent nothing", "1 mail accepted",
		"40 mails accepted, none in the last 2 sessions")
	wantInOrder(t, page(t, h, "/clients/c"), "Last mail accepted", "3 days ago")
	wantInOrder(t, page(t, h, "/api/v1/clients/c"), `"accepted":40`, `"last_accepted":"`, `"sessions_without_mail":2`)
}

// A client that fails before it has shown what it can do may be an old one: it keeps
// tlslift from being switched off, and one that only connects and closes is shown.
func TestClientsThatMayBeOldAreNeeded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	fails := func(n int, reason record.Reason, at time.Duration) inventory.Client {
		c := lifted(n, "", "", "", at)
		c.LastLifted, c.LastLegacy, c.LastGood, c.Outcomes = time.Time{}, time.Time{}, time.Time{}, nil
		if reason != "" {
			c.Failure = failure(reason, now.Add(-at), "")
		}
		return c
	}
	capable, solved, before, both := fails(5, record.ReasonUpstreamTimeout, day), fails(6, record.ReasonHelloTimeout, 2*day),
		fails(7, record.ReasonHelloTimeout, day), fails(8, record.ReasonSSL3Only, day)
	capable.LastCapable = now.Add(-2 * day)
	solved.LastGood = now.Add(-day)
	before.LastCapable, before.LastLegacy = now.Add(-50*day), now.Add(-50*day)
	both.LastLegacy = now.Add(-day)
	for what, test := range map[string]struct {
		clients []inventory.Client
		want    []string
	}{
		"timeout": {[]inventory.Client{fails(1, record.ReasonHelloTimeout, day)}, []string{"No: 1 client that may need it tries and fails"}},
		"half a hello": {[]inventory.Client{fails(1, record.ReasonHelloTruncated, 29*day)},
			[]string{"No: 1 client that may need it tries and fails"}},
		"two": {[]inventory.Client{fails(1, record.ReasonHelloTimeout, day), before},
			[]string{"No: 2 clients that may need it try and fail"}},
		"and an old one": {[]inventory.Client{fails(1, record.ReasonNotTLS, day), both},
			[]string{"No: 1 client that needs it tries and fails, 1 client that may need it tries and fails"}},
		"long ago":     {[]inventory.Client{fails(1, record.ReasonHelloTimeout, 31*day)}, []string{"No client has needed it so far"}},
		"a modern one": {[]inventory.Client{capable}, []string{"No client has needed it so far"}},
		"solved":       {[]inventory.Client{solved}, []string{"No client has needed it so far"}},
		"not allowed":  {[]inventory.Client{fails(1, record.ReasonClientNotAllowed, day)}, []string{"No client has needed it so far"}},
		"says nothing": {[]inventory.Client{fails(1, "", day)}, []string{
			"No client has needed it so far", "1 client connects and never begins TLS: find out whether it is a monitor."}},
		"one works": {[]inventory.Client{fails(1, record.ReasonHelloTimeout, day), lifted(2, "works", "TLS 1.0", "tls_version", day)},
			[]string{"Not now", "1 in 30 days. 1 client that may need it tries and fails."}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			wantInOrder(t, page(t, newSite(t, options(t, testenv.NewInventory(test.clients...))), "/"), test.want...)
		})
	}
}
