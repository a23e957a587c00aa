package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	fakemailbox "github.com/tlslift/tlslift/proxy/fakem365/mailbox"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A dialogue is how a client of a mailbox protocol begins TLS and signs in.
type dialogue struct {
	scheme, schemeTLS     listener.Scheme
	port, portTLS         uint16
	greeting, startTLS    string
	ready, login, in, out string
	refusal, trouble      string // of sign-in without TLS; of a dead destination
}

var dialogues = map[string]dialogue{
	"imap": {
		listener.SchemeIMAP, listener.SchemeIMAPS, 143, 993, "* OK ", "a STARTTLS", "a OK ",
		"b LOGIN " + mailbox + " \"" + password + "\"", "b OK ", "c LOGOUT",
		"b NO [PRIVACYREQUIRED] ", "* BYE [UNAVAILABLE] ",
	},
	"pop3": {
		listener.SchemePOP3, listener.SchemePOP3S, 110, 995, "+OK ", "STLS", "+OK ",
		"USER " + mailbox + "\r\nPASS " + password, "+OK ", "QUIT",
		"-ERR ", "-ERR [SYS/TEMP] ",
	},
}

// newMailboxWorld starts a tlslift with four listeners: in plaintext and with
// implicit TLS, to a destination of the one kind and of the other. Whether the
// destination really begins so is up to serve.
func newMailboxWorld(t *testing.T, d dialogue, fake *fakem365.Service, plain, implicit string) *world {
	t.Helper()
	return newWorld(t, fake, plain, func(c *proxy.Config) {
		extra, err := policy.ParseEndpoint(host + ":110")
		if err != nil {
			t.Fatal(err)
		}
		if c.Policy, err = m365.New(m365.Worldwide, []policy.Endpoint{extra}); err != nil {
			t.Fatal(err)
		}
		const any = "127.0.0.1:0"
		toPlain := policy.Destination{Host: host, Port: d.port}
		c.Listeners = []listener.URL{
			{Scheme: d.scheme, Address: any, To: toPlain},
			{Scheme: d.scheme, Address: any},
			{Scheme: d.schemeTLS, Address: any, To: toPlain},
			{Scheme: d.schemeTLS, Address: any},
			{Scheme: d.scheme, Address: any, Plaintext: true},
		}
		c.Upstream.ConnectTo = map[string]string{
			toPlain.String(): plain, fmt.Sprintf("%s:%d", host, d.portTLS): implicit,
		}
	})
}

// serveMailbox starts a server of a protocol.
func serveMailbox(t *testing.T, fake *fakem365.Service, protocol string, implicit bool) string {
	t.Helper()
	serve := fakemailbox.ServeIMAP
	if protocol == "pop3" {
		serve = fakemailbox.ServePOP3
	}
	s, err := serve(fake, fakemailbox.Options{Accounts: accounts, Implicit: implicit})
	if err != nil {
		t.Fatal(err)
	}
	return s.Addr()
}

// Mailboxes can be read through every listener, by clients of every age.
func TestMailboxes(t *testing.T) {
	t.Parallel()
	for protocol, d := range dialogues {
		fake := testenv.FakeM365(t)
		w := newMailboxWorld(t, d, fake, serveMailbox(t, fake, protocol, false), serveMailbox(t, fake, protocol, true))
		for listener, passed := range []bool{0: true, 1: false, 2: false, 3: true, 4: false} {
			for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS13} {
				t.Run(fmt.Sprintf("%s/%d/%x", protocol, listener, version), func(t *testing.T) {
					l := w.server.Listeners()[listener]
					conn := d.open(t, w, l, version)
					want := record.OutcomeLifted
					if passed && version == tls.VersionTLS13 {
						want = record.OutcomePassed
					}
					if lifted := w.lifted(conn.ConnectionState()); lifted != (want == record.OutcomeLifted) {
						t.Errorf("decrypted=%v", lifted)
					}
					d.signIn(t, conn)
					if rec := w.expect(want, ""); string(rec.Protocol) != protocol || rec.SMTPReplies != nil {
						t.Errorf("record %+v", rec)
					}
				})
			}
		}
	}
}

// open goes as far as TLS.
func (d dialogue) open(t *testing.T, w *world, l listener.URL, version uint16) *tls.Conn {
	t.Helper()
	raw := dial(t, l.Address)
	if l.Scheme == d.scheme {
		r := bufio.NewReader(raw)
		hear(t, r, d.greeting)
		say(t, raw, d.startTLS)
		hear(t, r, d.ready)
	}
	cfg := w.oldConfig()
	cfg.MaxVersion, cfg.RootCAs = version, w.client(version).Roots
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.Scheme != d.scheme {
		hear(t, bufio.NewReader(conn), d.greeting) // the server waits behind it
	}
	return conn
}

// signIn signs in and leaves.
func (d dialogue) signIn(t *testing.T, conn net.Conn) {
	t.Helper()
	r := bufio.NewReader(conn)
	say(t, conn, d.login)
	for line := ""; !strings.HasPrefix(line, d.in); {
		line = hear(t, r, "")
	}
	say(t, conn, d.out)
	if _, err := io.ReadAll(r); err != nil {
		t.Errorf("leaving: %v", err)
	}
	_ = conn.Close()
}

func say(t *testing.T, w io.Writer, line string) {
	t.Helper()
	if _, err := io.WriteString(w, line+"\r\n"); err != nil {
		t.Fatalf("saying %q: %v", line, err)
	}
}

// hear reads a line that begins as wanted.
func hear(t *testing.T, r *bufio.Reader, want string) string {
	t.Helper()
	var line strings.Builder
	for !strings.HasSuffix(line.String(), "\n") {
		part, err := r.ReadSlice('\n')
		line.Write(part)
		if err != nil && err != bufio.ErrBufferFull {
			t.Fatalf("heard %q, then %v; want %q", line.String(), err, want)
		}
	}
	if !strings.HasPrefix(line.String(), want) {
		t.Fatalf("heard %q, want %q", line.String(), want)
	}
	return line.String()
}

// Without TLS nobody signs in, unless that is allowed.
func TestMailboxesWithoutTLS(t *testing.T) {
	t.Parallel()
	for protocol, d := range dialogues {
		fake := testenv.FakeM365(t)
		w := newMailboxWorld(t, d, fake, serveMailbox(t, fake, protocol, false), serveMailbox(t, fake, protocol, true))
		for listener, reason := range []record.Reason{0: record.ReasonPlaintextNotAllowed, 1: record.ReasonPlaintextNotAllowed, 4: ""} {
			if listener == 2 || listener == 3 {
				continue // they expect implicit TLS
			}
			t.Run(fmt.Sprintf("%s/%d", protocol, listener), func(t *testing.T) {
				conn := dial(t, w.server.Listeners()[listener].Address)
				r := bufio.NewReader(conn)
				hear(t, r, d.greeting)
				if reason == "" {
					d.signIn(t, conn)
					w.expect(record.OutcomeLifted, "")
					return
				}
				say(t, conn, d.login)
				hear(t, r, d.refusal)
				_ = conn.Close()
				w.expect(record.OutcomeRefused, reason)
			})
		}
	}
}

// When the destination is down, the client reads so in its own protocol.
func TestMailboxesUpstreamDown(t *testing.T) {
	t.Parallel()
	for protocol, d := range dialogues {
		nowhere := testenv.RefusingAddress(t)
		w := newMailboxWorld(t, d, testenv.FakeM365(t), nowhere, nowhere)
		for listener, l := range w.server.Listeners() {
			t.Run(fmt.Sprintf("%s/%d", protocol, listener), func(t *testing.T) {
				d.greeting = d.trouble
				if l.Scheme == d.schemeTLS {
					_ = d.open(t, w, l, tls.VersionTLS10).Close()
				} else {
					conn := dial(t, l.Address)
					hear(t, bufio.NewReader(conn), d.trouble)
					_ = conn.Close()
				}
				w.expect(record.OutcomeFailed, record.ReasonUpstreamRefused)
			})
		}
	}
}
