package metrics

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

func tracked(t *testing.T, m *Metrics) int { return atoi(t, series(t, m, "tlslift_clients_tracked")) }

// One host that uses all addresses of its network fills no more than its share.
func TestOneHostHasItsShareOfSeries(t *testing.T) {
	t.Parallel()
	for name, addr := range map[string]func(i int) string{
		"IPv6":     func(i int) string { return fmt.Sprintf("2001:db8:1:2::%x", i+1) },
		"loopback": func(i int) string { return fmt.Sprintf("127.0.%d.%d", i/250, i%250+1) },
	} {
		m := New(Options{})
		for i := range 10_000 {
			observe(m, at(netip.MustParseAddr(addr(i)), ""))
		}
		if n := tracked(t, m); n != defaultMaxClients/50 {
			t.Errorf("%s: %d addresses of one host have series", name, n)
		}
		observe(m, at(netip.MustParseAddr("2001:db8:1:3::1"), ""))
		if n := tracked(t, m); n != defaultMaxClients/50+1 {
			t.Errorf("%s: the neighbour has no series: %d are tracked", name, n)
		}
	}
}

// A flood of addresses does not keep the room for long, and takes nothing from clients that
// have a name or have come for long.
func TestFloodOfAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{MaxClients: 100, Expiry: 30 * 24 * time.Hour})
		observe(m, at(address(60_001), ""), at(address(60_002), "scanner"))
		time.Sleep(25 * time.Hour)
		observe(m, at(address(60_001), ""))
		for i := range 10_000 {
			observe(m, at(address(i), ""))
		}
		if n := tracked(t, m); n != 101 {
			t.Errorf("%d clients are tracked, want 100 and the one with a name", n)
		}
		observe(m, at(address(60_003), "copier"))
		if n := tracked(t, m); n != 102 {
			t.Errorf("%d clients are tracked: a client with a name has no room", n)
		}
		time.Sleep(11 * time.Minute)
		scrape(t, m)
		observe(m, at(address(60_004), ""))
		text := scrape(t, m)
		for _, who := range []string{address(60_001).String(), "scanner", "copier", address(60_004).String()} {
			if !strings.Contains(text, `client="`+who+`"`) {
				t.Errorf("%s has no series", who)
			}
		}
	})
}

// Clients that were never served leave half of the room to those that are, and get a place
// like any other when they are.
func TestUnservedClientsLeaveRoom(t *testing.T) {
	t.Parallel()
	m := New(Options{MaxClients: 20})
	for i := range 100 {
		observe(m, &record.Record{Client: address(i), Start: time.Now(), Outcome: record.OutcomeFailed, Reason: record.ReasonHelloTimeout})
	}
	if n := tracked(t, m); n != 10 {
		t.Errorf("%d unserved clients have series, want 10", n)
	}
	observe(m, at(address(1), ""))
	observe(m, &record.Record{Client: address(99), Start: time.Now(), Outcome: record.OutcomeFailed, Reason: record.ReasonHelloTimeout})
	for i := range 100 {
		observe(m, at(address(1000+i), ""))
	}
	if n := tracked(t, m); n != 20 {
		t.Errorf("%d clients have series, want 20", n)
	}
}

// A client that invents label values has few series, and none of its connections is lost
// from the sum.
func TestSeriesOfOneClientAreBounded(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	const connections = 5000
	reasons := record.Reasons()
	for i := range connections {
		observe(m, &record.Record{
			Client: address(1), Start: time.Now(), Outcome: record.Outcomes()[i%4], Reason: reasons[i%len(reasons)],
			Protocol: record.Protocol(fmt.Sprint("p", i%19)), OfferedVersion: []string{"TLS 1.0", "TLS 1.1", "TLS 1.2", "SSL 3.0"}[i/4%4],
			ClientTLS:   &record.Handshake{Version: []string{"TLS 1.0", "TLS 1.2"}[i%2], CipherSuite: fmt.Sprint(i % 90), Resumed: i%3 == 0},
			SMTPReplies: []record.SMTPReply{{Code: fmt.Sprint(200 + i%60), Count: 1}},
		})
	}
	for id, more := range map[metric]int{
		clientConnectionsTotal: 4, clientHandshakesTotal: 2, clientFailuresTotal: 0, clientSMTPReplies: 1,
	} {
		rows, err := rowsOf(m.Gatherer(), id)
		if err != nil {
			t.Fatal(err)
		}
		own := slices.DeleteFunc(slices.Clone(rows), func(row []string) bool { return row[0] == other })
		if total, _ := sum(t, m.Gatherer(), id, clientLabel); total != connections || len(own) > maxTuples+more {
			t.Errorf("%s: %d in %d series of the client, %d in all", definitions[id].name, total, len(own), len(rows))
		}
	}
}

// The sum of each reason is exact, however many reasons each client has, and also that of
// clients that have no series of their own.
func TestSumOfEachReasonIsExact(t *testing.T) {
	t.Parallel()
	m := New(Options{MaxClients: 30})
	const clients = 40
	for _, r := range record.Reasons() {
		for i := range clients {
			observe(m, &record.Record{Client: address(i), Start: time.Now(), Outcome: r.Outcome(), Reason: r})
		}
	}
	rows, err := rowsOf(m.Gatherer(), clientFailuresTotal)
	if err != nil {
		t.Fatal(err)
	}
	ofReason, ofClient := map[string]int{}, map[string]int{}
	for _, row := range rows {
		ofReason[row[1]] += atoi(t, row[3])
		ofClient[row[0]]++
	}
	for _, r := range record.Reasons() {
		if n := ofReason[string(r)]; n != clients {
			t.Errorf("%s: %d, want %d", r, n, clients)
		}
	}
	for client, n := range ofClient {
		if client != other && n > maxTuples {
			t.Errorf("%s has %d series", client, n)
		}
	}
	if len(ofClient) < 10 {
		t.Errorf("%d clients have series", len(ofClient))
	}
}
