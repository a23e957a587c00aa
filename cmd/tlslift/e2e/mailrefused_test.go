package e2e

import (
	"bytes"
	"encoding/base64"
	"io"
	"net"
	"net/smtp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A wiretap sees what is sent to the servers.
type wiretap struct {
	mu   sync.Mutex
	sent bytes.Buffer
}

func (w *wiretap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent.Write(p)
}

// expectNoSecrets puts a wiretap before the servers, which until the test ends
// must not see a password, or whose it is.
func (s *mailServer) expectNoSecrets() {
	s.t.Helper()
	w := &wiretap{}
	s.t.Cleanup(func() { // when all connections have ended
		if seen := w.secrets(); len(seen) > 0 {
			s.t.Errorf("sent in plaintext: %q", seen)
		}
	})
	s.tap(w)
}

// tap puts a wiretap before the servers.
func (s *mailServer) tap(w *wiretap) {
	s.t.Helper()
	for port, address := range s.at {
		s.at[port] = tlsServer(s.t, nil, func(client net.Conn) {
			server, err := net.Dial("tcp", address)
			if err != nil {
				return
			}
			var back sync.WaitGroup
			back.Go(func() {
				_, _ = io.Copy(client, server)
				_ = client.Close()
			})
			_, _ = io.Copy(io.MultiWriter(w, server), client)
			_ = server.Close()
			back.Wait()
		})
	}
}

// secrets are those that the wiretap has seen.
func (w *wiretap) secrets() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var seen []string
	for _, secret := range []string{mailUser, mailPassword, "\x00" + mailUser + "\x00" + mailPassword} {
		encoded := base64.StdEncoding.EncodeToString([]byte(secret))
		if strings.Contains(w.sent.String(), secret) || strings.Contains(w.sent.String(), encoded) {
			seen = append(seen, secret)
		}
	}
	return seen
}

// The tests below would notice a client that goes on without TLS.
func TestWiretapSeesSecrets(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{TakesPlaintext: true})
	s.put(mailUser, storedMail)
	tap := &wiretap{}
	s.tap(tap)
	for port, protocol := range map[int]string{587: "smtp", 143: "imap", 110: "pop3"} {
		tap.sent.Reset()
		c := mailCall{protocol: protocol, tlsMode: never, address: s.at[port], to: freshMailbox()}
		out, err := pythonMail(t, c)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		s.done(t, c, out)
		if len(tap.secrets()) == 0 {
			t.Errorf("%s: saw no secret", protocol)
		}
	}
	if !strings.Contains(s.log("dovecot.log"), sawPassword) || !strings.Contains(s.log("postfix.log"), tookMail) {
		t.Error("the logs do not show passwords and mails")
	}
}

// A client without TLS is refused in its own protocol, whatever the servers
// would take, and what it has to say is not relayed.
func TestMailClientsWithoutTLSAreRefused(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]mailOptions{"careful servers": {}, "careless servers": {TakesPlaintext: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startMailServer(t, options)
			s.expectNoSecrets()
			refusePlaintext(t, s)
			if log := s.log("dovecot.log"); strings.Contains(log, sawPassword) {
				t.Error("a password was tried")
			}
			if log := s.log("postfix.log"); strings.Contains(log, tookMail) {
				t.Error("a mail was taken")
			}
		})
	}
}

func refusePlaintext(t *testing.T, s *mailServer) {
	t.Helper()
	l := startMail(t, s)
	// Each of these goes on when it cannot have TLS or may not log in.
	clients := map[string][]string{"swaks": {"--auth-optional"}, "curl": {"-v"}, "python": nil}
	ways := append(slices.Clone(mailWays), toPort25)
	for _, w := range ways {
		if w.tlsMode == implicitTLS || strings.Contains(w.listener, "plaintext=allow") {
			continue
		}
		w.tlsMode = never
		for name, more := range clients {
			c := w.call(t, l, mailLevel{why: "plaintext"})
			if !can(name, c) {
				continue
			}
			c.more = more
			t.Run(name+"/"+w.String(), func(t *testing.T) {
				out, err := mailClients[name](t, c)
				rec := l.record(t, map[string]string{"protocol": w.protocol, "offered": "none"})
				if err == nil || rec["cause"] == nil || rec["remedy"] == nil {
					t.Errorf("want a failure that is explained, got %v, %v:\n%s", err, rec, out)
				}
				// One that sees that it may not log in can leave by itself.
				if name == "curl" && w.protocol != "smtp" && rec["reason"] == "closed_before_tls" {
					return
				}
				told := map[string]string{"smtp": "5.7.0", "imap": "", "pop3": "-ERR"}[w.protocol]
				if !strings.Contains(out, told) || rec["outcome"] != "refused" || rec["reason"] != "plaintext_not_allowed" {
					t.Errorf("want %q and that in the log, got %v:\n%s", told, rec, out)
				}
			})
		}
	}
}

// One client too many is told so in its own protocol.
func TestTooManyMailConnections(t *testing.T) {
	t.Parallel()
	s := startMailServer(t, mailOptions{})
	l := startMail(t, s, "TLSLIFT_MAX_CONNECTIONS_PER_CLIENT=1")
	first, err := smtp.Dial(l.at[mailWays[0].listener])
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	for _, w := range mailWays {
		if w.proxied || w.tlsMode == implicitTLS {
			continue
		}
		c := w.call(t, l, atTLS10)
		c.more = []string{"-v"}
		told := map[string]string{"smtp": "421 4.7.0", "imap": "* BYE", "pop3": "-ERR [SYS/TEMP]"}[w.protocol]
		if out, err := curlMail(t, c); err == nil || !strings.Contains(out, told) {
			t.Errorf("%s: want %q, got %v:\n%s", w, told, err, out)
		}
		l.record(t, map[string]string{"outcome": "refused", "reason": "too_many_connections_from_client"})
	}
}
