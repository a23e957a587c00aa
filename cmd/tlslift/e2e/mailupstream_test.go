package e2e

import (
	"crypto/x509"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// told is how each protocol says that there is no service now.
var told = map[string]string{"smtp": "421 4.4.1", "imap": "* BYE", "pop3": "-ERR [SYS/TEMP]"}

var bothClients = map[string][]string{"curl": {"-v"}, "swaks": nil}

// expectNoService lets old clients go every way, where each must be told in
// its own protocol that there is no service.
func expectNoService(t *testing.T, l *mailLift, reason string, clients map[string][]string) {
	t.Helper()
	for _, w := range mailWays {
		if w.proxied && reason == "upstream_connection_refused" {
			continue // the proxy says so by HTTP
		}
		for name, more := range clients {
			c := w.call(t, l, atTLS10)
			c.more = more
			if !can(name, c) {
				continue
			}
			t.Run(name+"/"+w.String(), func(t *testing.T) {
				out, err := mailClients[name](t, c)
				if err == nil || !strings.Contains(out, told[w.protocol]) {
					t.Errorf("want %q, got %v:\n%s", told[w.protocol], err, out)
				}
				rec := l.record(t, map[string]string{"outcome": "failed", "protocol": w.protocol, "reason": reason})
				if rec["cause"] == nil || rec["remedy"] == nil {
					t.Errorf("the log does not explain: %v", rec)
				}
			})
		}
	}
	if len(l.metric(t, "tlslift_upstream_failures_total{", reason)) == 0 {
		t.Errorf("/metrics does not count %s", reason)
	}
}

func TestMailUpstreamIsDown(t *testing.T) {
	t.Parallel()
	expectNoService(t, startMail(t, noMailServer(t)), "upstream_connection_refused", bothClients)
}

// A destination that accepts and says nothing is given up in time.
func TestMailUpstreamIsSilent(t *testing.T) {
	t.Parallel()
	s := noMailServer(t)
	for port := range s.at {
		s.at[port] = tlsServer(t, nil, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	}
	expectNoService(t, startMail(t, s, "TLSLIFT_HANDSHAKE_TIMEOUT=2s"), "upstream_timeout", map[string][]string{"curl": {"-v"}})
}

func TestMailUpstreamIsNotTrusted(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{Change: func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}})
	s.expectNoSecrets()
	l := startMail(t, s)
	expectNoService(t, l, "upstream_certificate_expired", bothClients)
	if strings.Contains(s.log("dovecot.log"), sawPassword) {
		t.Error("a password was tried")
	}
	// A client that is passed sees for itself.
	c := mailWays[0].call(t, l, modern)
	if out, err := curlMail(t, c); err == nil || !strings.Contains(out, "certificate has expired") {
		t.Errorf("want an expired certificate, got %v:\n%s", err, out)
	}
	l.record(t, map[string]string{"outcome": "passed", "protocol": "smtp"})
}

// A server, or someone on the way to it, that offers no STARTTLS gets nothing.
func TestMailUpstreamWithoutSTARTTLS(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{WithoutTLS: true})
	s.expectNoSecrets()
	l := startMail(t, s)
	clients := map[string][]string{"curl": {"-v"}, "swaks": {"--auth-optional"}, "python": nil}
	for _, w := range append(slices.Clone(mailWays), mailWay{listener: "smtp://{}", protocol: "smtp", tlsMode: ifOffered, upstream: 587}) {
		if w.upstream > 900 || w.upstream == 465 {
			continue
		}
		for name, more := range clients {
			c := w.call(t, l, atTLS10)
			c.more = more
			if !can(name, c) || c.tlsMode == ifOffered && name != "swaks" {
				continue
			}
			t.Run(name+"/"+w.String(), func(t *testing.T) {
				out, err := mailClients[name](t, c)
				if err == nil {
					t.Errorf("want a failure:\n%s", out)
				}
				if w.tlsMode == implicitTLS && name != "python" && !strings.Contains(out, told[w.protocol]) {
					t.Errorf("want %q:\n%s", told[w.protocol], out)
				}
				l.record(t, map[string]string{"outcome": "failed", "protocol": w.protocol, "reason": "upstream_starttls_missing"})
			})
		}
	}
	if strings.Contains(s.log("dovecot.log"), sawPassword) || strings.Contains(s.log("postfix.log"), tookMail) {
		t.Error("a password was tried or a mail was taken")
	}
}

// A hello that the server refuses after STARTTLS is lifted after all, in the
// same session.
func TestMailIsPassedElseLifted(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{OnlyX25519: true})
	s.put(mailUser, storedMail)
	other := mailLevel{
		name: "another group", offered: "TLS 1.2", why: "destination_refused",
		openssl: []string{"-tls1_2", "-groups", "P-256"}, curl: []string{"--tls-max", "1.2", "--curves", "P-256"},
	}
	for _, w := range mailWays {
		if !w.alike() {
			continue
		}
		l := startMail(t, s) // which remembers nothing yet
		for _, name := range []string{"curl", "openssl"} {
			if c := w.call(t, l, other); can(name, c) {
				t.Run(name+"/"+w.String(), func(t *testing.T) { l.goes(t, name, c, w, other) })
			}
		}
	}
}

// What the server says to a lifted client reaches the client, and the
// administrator.
func TestSMTPRepliesAreReported(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	l := startMail(t, s)
	for _, tt := range []struct {
		more   []string
		reply  string
		reason string
	}{
		{[]string{"--auth-password", "wrong"}, "535 5.7.8", "smtp_auth_failed"},
		{[]string{"--from", "bad sender"}, "501 5.1.7", "smtp_rejected"},
	} {
		c := mailWays[0].call(t, l, atTLS10)
		c.more = tt.more
		out, err := swaksMail(t, c)
		if err == nil || !strings.Contains(out, tt.reply) {
			t.Errorf("want %s, got %v:\n%s", tt.reply, err, out)
		}
		l.record(t, map[string]string{"outcome": "lifted", "protocol": "smtp", "smtp_reply": tt.reply, "reason": tt.reason})
		code, enhanced, _ := strings.Cut(tt.reply, " ")
		if len(l.metric(t, "tlslift_client_smtp_replies_total{", `code="`+code+`"`, `enhanced_code="`+enhanced+`"`, "} 1")) != 1 {
			t.Errorf("/metrics does not count %s", tt.reply)
		}
	}
}

// A recipient that is refused while another one gets the mail is a failure of the
// client, and names the reply and not the address.
func TestRefusedRecipientIsReported(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	l := startMail(t, s)
	c := mailWays[0].call(t, l, atTLS10)
	c.more = []string{"--to", c.to + ",second floor@example.com"}
	out, err := swaksMail(t, c)
	if err != nil || !strings.Contains(out, "501 5.1.3") {
		t.Errorf("want 501 5.1.3 and an accepted mail, got %v:\n%s", err, out)
	}
	l.record(t, map[string]string{
		"outcome": "lifted", "reason": "smtp_rejected", "smtp_reply": "501 5.1.3",
		"detail": "the destination replied 501 5.1.3 to RCPT; recipients refused: 1",
	})
}
