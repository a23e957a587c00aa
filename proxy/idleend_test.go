package proxy_test

import (
	"crypto/tls"
	"io"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// soon is an idle timeout that no step of a test takes.
const soon = 2 * time.Second

// A connection that is kept open after an exchange ends without a reason. One whose
// client does not read has one.
func TestIdleEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		version uint16
		outcome record.Outcome
		serve   func(c *tls.Conn)
		reason  record.Reason
	}{
		"passed":        {tls.VersionTLS13, record.OutcomePassed, answer, ""},
		"lifted":        {tls.VersionTLS10, record.OutcomeLifted, answer, ""},
		"passed, stuck": {tls.VersionTLS13, record.OutcomePassed, flood, record.ReasonIdleTimeout},
		"lifted, stuck": {tls.VersionTLS10, record.OutcomeLifted, flood, record.ReasonIdleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := testenv.FakeM365(t)
			server, err := fake.ServeTLS(fakem365.TLSOptions{}, tt.serve)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, fake, server.Addr(), func(c *proxy.Config) { c.IdleTimeout = soon })
			conn, err := w.client(tt.version).Dial(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte("ok")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 2)); err != nil {
				t.Fatal(err)
			}
			w.expect(tt.outcome, tt.reason)
		})
	}
}

// A web server that leaves a lifted request without an answer is not idle as it may be.
func TestIdleWebServer(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]record.Reason{
		"": record.ReasonIdleTimeout, halfAnswer: record.ReasonIdleTimeout, wholeAnswer: "",
	} {
		fake := testenv.FakeM365(t)
		address := answersOnce(t, fake, answer, 1, func(*tls.Conn) {}) // waits for another request
		w := newWorld(t, fake, address, func(c *proxy.Config) { c.IdleTimeout = soon })
		conn := tls.Client(dial(t, w.tls), w.oldConfig())
		say(t, conn, "GET / HTTP/1.1\r\nHost: x\r\n")
		w.expect(record.OutcomeLifted, want)
	}
}

// answer sends back what it gets.
func answer(c *tls.Conn) { _, _ = io.Copy(c, c) }

// flood sends more than anybody buffers.
func flood(c *tls.Conn) {
	for err := error(nil); err == nil; {
		_, err = c.Write(make([]byte, 1<<20))
	}
}

// A mail session that is kept open ends without a reason, and one in the middle of
// something has one.
func TestIdleMail(t *testing.T) {
	t.Parallel()
	const readHost = "outlook.office365.com"
	reads := func(c *proxy.Config, addr string) {
		to := policy.Destination{Host: readHost, Port: 993}
		c.Listeners = []listener.URL{{Scheme: listener.SchemeIMAPS, Address: "127.0.0.1:0", To: to}}
		c.Upstream.ConnectTo[to.String()] = addr
	}
	for name, tt := range map[string]struct {
		listener int
		host     string
		change   func(*proxy.Config, string)
		script   string
		want     record.Reason
	}{
		"SMTP, between mails":     {3, mailHost, nil, sent + "S: 250 OK\n", ""},
		"SMTP, in a mail":         {3, mailHost, nil, inData + "C: Subject: scan\nC: half a line~\n", record.ReasonIdleTimeout},
		"SMTP, after a refusal":   {3, mailHost, nil, sent + "S: 554 5.6.0 no\n", record.ReasonSMTPRejected},
		"IMAP, between commands":  {0, readHost, reads, "S: * OK ready\nC: a LOGIN x y\nS: a OK\n", ""},
		"IMAP, before a reply":    {0, readHost, reads, "S: * OK ready\nC: a LOGIN x y\n", record.ReasonIdleTimeout},
		"IMAP, the command IDLE":  {0, readHost, reads, "S: * OK ready\nC: a IDLE\nS: + idling\n", ""},
		"IMAP, after its refusal": {0, readHost, reads, "S: * OK ready\nC: a LOGIN x y\nS: a NO no\n", record.ReasonIMAPAuthFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, tt.listener, tt.host, func(c *proxy.Config, addr string) {
				c.IdleTimeout = soon
				if tt.change != nil {
					tt.change(c, addr)
				}
			})
			p.play(tt.script)
			p.expect(record.OutcomeLifted, tt.want)
		})
	}
}
