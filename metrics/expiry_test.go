package metrics

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// at is a connection of a client now, which has a series in every metric.
func at(addr netip.Addr, name string) *record.Record {
	return &record.Record{
		Client: addr, ClientName: name, Start: time.Now(), Protocol: "smtp", OfferedVersion: "TLS 1.0", JA4: "the ja4",
		Outcome: record.OutcomeLifted, Reason: record.ReasonSMTPAuthFailed, BytesFromClient: 1,
		ClientTLS:   &record.Handshake{Version: "TLS 1.0", CipherSuite: "TLS_RSA_WITH_AES_128_CBC_SHA"},
		SMTPReplies: []record.SMTPReply{{Code: "535", Enhanced: "5.7.3", Count: 1}},
	}
}

func TestClientsExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{MaxClients: 20, Expiry: 24 * time.Hour})
		for i := range 30 {
			observe(m, at(address(i), ""))
		}
		for i := range 5 {
			r := at(address(1000+i), "")
			r.Outcome, r.Reason = record.OutcomeRefused, record.ReasonClientNotAllowed
			observe(m, r)
		}
		time.Sleep(20 * time.Hour)
		observe(m, at(address(1), ""))
		time.Sleep(5 * time.Hour)
		text := scrape(t, m)
		if strings.Contains(text, `"10.0.0.0"`) || strings.Contains(text, `"10.0.0.2"`) {
			t.Errorf("a client that was not seen for a day has series:\n%s", ours(text))
		}
		if n := strings.Count(text, `client="10.0.0.1"`); n != 11 {
			t.Errorf("a client that was seen has %d series, want 11:\n%s", n, ours(text))
		}
		if !strings.Contains(text, `client="other"`) {
			t.Error("what the clients without series have done is gone")
		}
		if got := series(t, m, "tlslift_clients_tracked"); got != "1" {
			t.Errorf("%s clients are tracked, want 1", got)
		}
		// There is room again, for untrusted clients too, and counts begin at zero again.
		for i := range 10 {
			observe(m, at(address(2000+i), ""))
		}
		observe(m, at(address(2), ""))
		if got := series(t, m, `tlslift_client_bytes_total{client="10.0.0.2",direction="from_client"}`); got != "1" {
			t.Errorf("a client that comes again has %s bytes, want 1", got)
		}
		if got := series(t, m, "tlslift_clients_tracked"); got != "12" {
			t.Errorf("%s clients are tracked, want 12", got)
		}
	})
}

// A name can be another client's address; what expires takes nothing of it.
func TestExpiryLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{Expiry: time.Hour})
		observe(m, at(address(9), "10.0.0.1"), at(address(8), "other"))
		time.Sleep(50 * time.Minute)
		observe(m, at(address(1), ""))
		time.Sleep(50 * time.Minute)
		if got := series(t, m, `tlslift_client_bytes_total{client="10.0.0.1",direction="from_client"}`); got != "2" {
			t.Errorf("the client has %s bytes, want 2", got)
		}
		observe(m, at(address(1), ""))
		if got := series(t, m, `tlslift_client_bytes_total{client="10.0.0.1",direction="from_client"}`); got != "3" {
			t.Errorf("the client has %s bytes, want 3", got)
		}
	})
}

// No connection is lost while clients expire.
func TestExpiryWhileCounting(t *testing.T) {
	t.Parallel()
	m := New(Options{Expiry: time.Nanosecond})
	each(2000, func(i int) {
		observe(m, at(address(i%7), ""))
		if i%10 == 0 {
			_ = scrape(t, m)
		}
	})
	m.expire(time.Now().Add(time.Hour))
	if text := scrape(t, m); strings.Contains(text, `client="10.`) {
		t.Errorf("there are still series:\n%s", ours(text))
	}
}

// client_info has one series for each client, which follows what it is.
func TestClientInfoFollowsTheClient(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	observe(m, at(address(1), "scanner"))
	r := at(address(2), "scanner")
	r.JA4 = "another ja4"
	observe(m, r)
	silent := at(address(2), "scanner")
	silent.JA4 = ""
	observe(m, silent)
	text := scrape(t, m)
	want := `tlslift_client_info{address="10.0.0.2",client="scanner",fingerprint="another ja4",name="scanner"} 1`
	if !strings.Contains(text, want) || strings.Count(text, "tlslift_client_info{") != 1 {
		t.Errorf("want only %s:\n%s", want, ours(text))
	}
}

// maxScrape is what a scrape may take with as many clients as have series.
const maxScrape = 4 << 20

func TestScrapeIsNotTooLarge(t *testing.T) {
	t.Parallel()
	n := len(scrape(t, office()))
	t.Logf("%d bytes with %d clients", n, defaultMaxClients)
	if n > maxScrape {
		t.Errorf("a scrape has %d bytes", n)
	}
}
