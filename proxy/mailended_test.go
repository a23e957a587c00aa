package proxy_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// An inside is a peer inside its TLS, whose lines the test writes down.
type inside struct {
	t    *testing.T
	conn net.Conn
	tcp  *net.TCPConn
	r    *bufio.Reader
}

// A mailPair is an old client and a scripted destination with a tlslift between.
type mailPair struct {
	*world
	client, destination *inside
}

// newMailPair connects the two through an smtp:// listener to port 465.
func newMailPair(t *testing.T) *mailPair {
	t.Helper()
	return newPair(t, 3, mailHost, nil)
}

// newPair connects the two through one of the listeners of a tlslift.
func newPair(t *testing.T, listener int, host string, change func(c *proxy.Config, destination string)) *mailPair {
	t.Helper()
	fake := testenv.FakeM365(t)
	inner, done := make(chan *inside, 1), make(chan struct{})
	server, err := fake.Serve(fakem365.TLSOptions{}, func(s *fakem365.Server, conn net.Conn) {
		secure, err := s.Handshake(conn)
		if err != nil {
			return
		}
		inner <- &inside{t, secure, conn.(*net.TCPConn), bufio.NewReader(secure)}
		<-done
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(done); server.Close() })
	w := newWorld(t, fake, server.Addr(), func(c *proxy.Config) {
		mailListeners(t, c, server.Addr())
		if change != nil {
			change(c, server.Addr())
		}
	})
	tcp := dial(t, w.server.Listeners()[listener].Address)
	config := w.oldConfig()
	config.ServerName = host
	secure := tls.Client(tcp, config)
	go func() { _ = secure.HandshakeContext(t.Context()) }()
	p := &mailPair{world: w, client: &inside{t, secure, tcp, bufio.NewReader(secure)}}
	select {
	case p.destination = <-inner:
	case <-time.After(patience):
		t.Fatal("the destination is not reached")
	}
	return p
}

// play follows a script of lines: C and S say, and the other hears. ~ at the end of a
// line stands for one without an end.
func (p *mailPair) play(script string) {
	p.t.Helper()
	for line := range strings.Lines(script) {
		who, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
		from, to := p.client, p.destination
		switch who {
		case "":
			continue
		case "S":
			from, to = to, from
		}
		text, open := strings.CutSuffix(text, "~")
		if !open {
			text += "\r\n"
		}
		from.say(text)
		to.hear(text)
	}
}

func (i *inside) say(text string) {
	i.t.Helper()
	if _, err := io.WriteString(i.conn, text); err != nil {
		i.t.Fatalf("saying %q: %v", text, err)
	}
}

func (i *inside) hear(text string) {
	i.t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(i.r, got); err != nil || string(got) != text {
		i.t.Fatalf("heard %q, %v, want %q", got, err, text)
	}
}

// Ways to end a connection.
func (i *inside) reset() { _ = i.tcp.SetLinger(0); _ = i.tcp.Close() }
func (i *inside) fin()   { _ = i.tcp.Close() }
func (i *inside) close() { _ = i.conn.Close() }

const (
	greeted = "S: 220 mx\nC: EHLO a\nS: 250 mx\n"
	inData  = greeted + "C: MAIL FROM:<a@contoso.com>\nS: 250 ok\nC: RCPT TO:<b@contoso.com>\nS: 250 ok\nC: DATA\nS: 354 go\n"
	sent    = inData + "C: Subject: scan\nC: .\n"
)

// The destination's replies say what became of the mail.
func TestMailOutcome(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script   string
		reason   record.Reason
		accepted int
	}{
		"accepted":            {sent + "S: 250 2.0.0 OK\nC: QUIT\nS: 221 bye\n", "", 1},
		"unknown rejection":   {sent + "S: 554 5.6.211 Invalid MIME Content\nC: QUIT\nS: 221 bye\n", record.ReasonSMTPRejected, 0},
		"SendAsDenied, 5.2.0": {sent + "S: 554 5.2.0 SendAsDenied; a\nC: QUIT\nS: 221 bye\n", record.ReasonSMTPSendAsDenied, 0},
		"unknown recipient":   {greeted + "C: RCPT TO:<b@contoso.com>\nS: 550 5.7.9 no\nC: QUIT\nS: 221 bye\n", record.ReasonSMTPRejected, 0},
		"sign-in":             {greeted + "C: AUTH LOGIN\nS: 454 4.7.0 no\nC: QUIT\nS: 221 bye\n", record.ReasonSMTPRejected, 0},
		"554, then another":   {sent + "S: 554 5.6.0 no\n" + strings.TrimPrefix(sent, greeted) + "S: 250 OK\n", record.ReasonSMTPRejected, 1},
		"432, then 250":       {sent + "S: 432 4.3.2 Concurrent connections\n" + strings.TrimPrefix(sent, greeted) + "S: 250 OK\n", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newMailPair(t)
			p.play(tt.script)
			p.destination.close()
			p.client.close()
			if rec := p.expect(record.OutcomeLifted, tt.reason); rec.Accepted != tt.accepted {
				t.Errorf("counted %d accepted mails, want %d", rec.Accepted, tt.accepted)
			}
		})
	}
}

// A mail that either side cut off is no success, however the connection ended.
func TestMailCutOff(t *testing.T) {
	t.Parallel()
	const inBody = inData + "C: Subject: scan\nC: half a line~\n"
	destination := func(p *mailPair) *inside { return p.destination }
	client := func(p *mailPair) *inside { return p.client }
	for name, tt := range map[string]struct {
		script string
		by     func(*mailPair) *inside
		how    func(*inside)
		want   record.Reason
	}{
		"destination's close":        {inBody, destination, (*inside).close, record.ReasonUpstreamCutOff},
		"destination's FIN":          {inBody, destination, (*inside).fin, record.ReasonUpstreamCutOff},
		"destination's reset":        {inBody, destination, (*inside).reset, record.ReasonUpstreamCutOff},
		"destination, after the end": {sent, destination, (*inside).close, record.ReasonUpstreamCutOff},
		"destination, in BDAT":       {greeted + "C: BDAT 100\nC: some~\n", destination, (*inside).reset, record.ReasonUpstreamCutOff},
		"client's close":             {inBody, client, (*inside).close, record.ReasonClientCutOff},
		"client's FIN":               {inBody, client, (*inside).fin, record.ReasonClientCutOff},
		"client's reset":             {inBody, client, (*inside).reset, record.ReasonClientCutOff},
		"client, after the reply":    {sent + "S: 250 OK\n", client, (*inside).reset, ""},
		"destination, after it":      {sent + "S: 250 OK\n", destination, (*inside).reset, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newMailPair(t)
			p.play(tt.script)
			ends := tt.by(p)
			tt.how(ends)
			other := p.client
			if ends == other {
				other = p.destination
			}
			_, _ = io.Copy(io.Discard, other.r) // until the end has reached it
			other.close()
			rec := p.expect(record.OutcomeLifted, tt.want)
			if rec.Failing() != (tt.want != "") || tt.want != "" && rec.Accepted != 0 {
				t.Errorf("failing: %v, accepted: %d", rec.Failing(), rec.Accepted)
			}
		})
	}
}

// A client that reads mail is refused by the destination, behind implicit TLS on both
// sides.
func TestMailReadingRefused(t *testing.T) {
	t.Parallel()
	const readHost = "outlook.office365.com"
	for name, tt := range map[string]struct {
		scheme listener.Scheme
		port   uint16
		script string
		want   record.Reason
	}{
		"IMAP, LOGIN":    {listener.SchemeIMAPS, 993, "S: * OK ready\nC: a LOGIN x y\nS: a NO LOGIN failed.\n", record.ReasonIMAPAuthFailed},
		"IMAP, greeting": {listener.SchemeIMAPS, 993, "S: * BYE too many\n", record.ReasonUpstreamRefusedSession},
		"POP3, PASS": {listener.SchemePOP3S, 995, "S: +OK ready\nC: USER x\nS: +OK\nC: PASS y\nS: -ERR Logon failure\n",
			record.ReasonPOP3AuthFailed},
		"POP3, greeting": {listener.SchemePOP3S, 995, "S: -ERR too many\n", record.ReasonUpstreamRefusedSession},
		"IMAP, cut off": {listener.SchemeIMAPS, 993, "S: * OK ready\nC: a FETCH 1 BODY[]\nS: * 1 FETCH (BODY[] {100}\n",
			record.ReasonUpstreamCutOff},
		"POP3, cut off":  {listener.SchemePOP3S, 995, "S: +OK ready\nC: RETR 1\nS: +OK\nS: From: x\n", record.ReasonUpstreamCutOff},
		"IMAP, accepted": {listener.SchemeIMAPS, 993, "S: * OK ready\nC: a LOGIN x y\nS: a OK\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, 0, readHost, func(c *proxy.Config, addr string) {
				to := policy.Destination{Host: readHost, Port: tt.port}
				c.Listeners = []listener.URL{{Scheme: tt.scheme, Address: "127.0.0.1:0", To: to}}
				c.Upstream.ConnectTo[to.String()] = addr
			})
			p.play(tt.script)
			p.destination.close()
			_, _ = io.Copy(io.Discard, p.client.r)
			p.client.close()
			p.expect(record.OutcomeLifted, tt.want)
		})
	}
}
