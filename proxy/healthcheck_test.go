package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
)

// A trusted balancer that connects and closes, with a header of its own or without
// one, is no event, on any listener and whether or not it could be a client.
func TestHealthCheckOfABalancer(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) {
		c.TrustedProxies = loopback
		c.ClientNets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	for _, sent := range []string{"", "PROXY UNKNOWN\r\n", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"} {
		for name, address := range w.at {
			for _, reset := range []bool{false, true} {
				conn := dial(t, address)
				if _, err := io.WriteString(conn, sent); err != nil {
					t.Fatal(err)
				}
				if reset && sent == "" { // a reset may overtake what was sent
					_ = conn.SetLinger(0)
				}
				_ = conn.Close()
				if r := w.record(); !r.IsHealthCheck() || r.Level() != slog.LevelDebug {
					t.Errorf("%s, %q: %s %q (%v) is an event", name, sent, r.Outcome, r.Reason, r.Err)
				}
			}
		}
	}
	// A client of the balancer is one, also if it does no more.
	conn := dial(t, w.at[viaSMTP])
	_, _ = io.WriteString(conn, "PROXY TCP4 10.1.2.3 10.0.0.1 4096 587\r\n")
	_ = conn.Close()
	if r := w.record(); r.IsHealthCheck() || r.Client.String() != "10.1.2.3" {
		t.Errorf("a client's connection is none: %+v", r)
	}
	// Half a header is a mistake.
	conn = dial(t, w.at[viaSMTP])
	_, _ = io.WriteString(conn, "PROXY TCP4 10.1")
	_ = conn.Close()
	w.expect(record.OutcomeRefused, record.ReasonProxyHeaderInvalid)
}

// What monitors say makes nobody failing.
func TestMonitorsFailNowhere(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, nil)
	for _, via := range []string{viaSMTP, viaPlain} {
		for _, dialogue := range [][]string{
			{"EHLO monitor", "QUIT"}, {"HELO monitor", "QUIT"}, {"QUIT"}, {"EHLO monitor"}, {"EHLO monitor", "RSET", "NOOP", "QUIT"}, {},
		} {
			conn := dial(t, w.at[via])
			r := bufio.NewReader(conn)
			smtpReply(t, r)
			for _, line := range dialogue {
				fmt.Fprintf(conn, "%s\r\n", line)
				smtpReply(t, r)
			}
			_ = conn.Close()
			if rec := w.record(); rec.Failing() || rec.Need() != record.NeedUnknown {
				t.Errorf("%s, %q: %s %q (%v)", via, dialogue, rec.Outcome, rec.Reason, rec.Err)
			}
		}
		// One that does not wait for answers.
		conn := dial(t, w.at[via])
		_, _ = io.WriteString(conn, "EHLO monitor\r\nQUIT\r\n")
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		if rec := w.record(); rec.Failing() {
			t.Errorf("%s in a hurry: %s %q (%v)", via, rec.Outcome, rec.Reason, rec.Err)
		}
	}
}

// smtpReply reads one reply.
func smtpReply(t *testing.T, r *bufio.Reader) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if len(line) < 4 || line[3] != '-' {
			return
		}
	}
}
