package summary

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
)

var now = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// failing returns a client that has had a reason so long ago, and a success before or after.
func failing(name string, reason record.Reason, ago time.Duration, solved bool) inventory.Client {
	c := inventory.Client{Client: name, Failure: &inventory.Failure{Reason: reason, At: now.Add(-ago), Fault: reason.Fault()}}
	if solved {
		c.LastGood = now.Add(-ago + time.Minute)
	}
	return c
}

// Reasons by which clients fail now come first, then those that were never solved, then those
// of many clients.
func TestOrderOfProblems(t *testing.T) {
	t.Parallel()
	all := []inventory.Client{
		failing("a", record.ReasonSMTPAuthFailed, time.Hour, false),
		failing("b", record.ReasonClientUnknownCA, 3*day, false), failing("c", record.ReasonClientUnknownCA, 4*day, false),
		failing("d", record.ReasonUpstreamTimeout, time.Hour, true), failing("e", record.ReasonUpstreamTimeout, time.Hour, true),
		failing("f", record.ReasonUpstreamTimeout, time.Hour, true),
	}
	var got []string
	for _, p := range Problems(all, now) {
		got = append(got, strings.TrimSpace(fmt.Sprintln(p.Reason, p.Clients, p.Unsolved, p.Failing, p.Names)))
	}
	want := []string{"smtp_auth_failed 1 1 1 [a]", "client_unknown_ca 2 2 0 [b c]", "upstream_timeout 3 0 0 []"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Each list is bounded, and says how many more there are where it names clients.
func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	const many = maxListed + 7
	var all []inventory.Client
	for i := range many {
		c := failing(fmt.Sprintf("client%03d", i), record.Reason(fmt.Sprintf("of_another_version_%d", i)), time.Hour, false)
		c.Destinations, c.Offered = []string{"everywhere:25", fmt.Sprintf("host%03d:443", i)}, fmt.Sprintf("TLS %03d", i)
		c.Accepted, c.MailPause, c.FirstSeen = 100, 3600, now.Add(-100*day)
		c.LastAccepted = now.Add(-time.Duration(10+i) * day)
		all = append(all, c)
	}
	got := Destinations(all, now)
	if len(got) != maxListed || got[0].Name != "everywhere:25" || got[0].Clients != many || got[1].Name != "host000:443" {
		t.Errorf("%d destinations, the first are %+v", len(got), got[:2])
	}
	all[0].Offered = "none"
	if got := Versions(all, now); len(got) != maxListed || got[0].Name != "TLS 001" {
		t.Errorf("%d versions, the first is %+v", len(got), got[0])
	}
	if got := Versions(all[:3], now); len(got) != 3 || got[2].Name != NoTLS {
		t.Errorf("got %+v", got)
	}
	if got := len(Problems(all, now)); got != maxListed {
		t.Errorf("%d problems", got)
	}
	rows, more := Silent(all, now)
	last := all[many-1]
	if len(rows) != maxListed || more != many-maxListed || rows[0].Client != last.Client || rows[0].Usual != "1 hour" {
		t.Errorf("%d silent clients and %d more, the first is %+v", len(rows), more, rows[0])
	}
	for i := range all {
		all[i].Failure.Reason = record.ReasonSMTPAuthFailed
	}
	if p := Problems(all, now); len(p) != 1 || len(p[0].Names) != maxNames || p[0].More != many-maxNames || p[0].Names[0] != "client000" {
		t.Errorf("got %+v", p)
	}
}

func TestMail(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]inventory.Client{
		"":                               {},
		"connected 1 time, sent nothing": {SessionsWithoutMail: 1},
		"1 mail accepted":                {Accepted: 1},
		"40 mails accepted, none in the last 2 sessions": {Accepted: 40, SessionsWithoutMail: 2},
	} {
		if got := Mail(&c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
