package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const (
	mailHost   = "smtp.office365.com"
	submission = mailHost + ":587"
	mailbox    = "scanner@contoso.com"
	password   = "not for the log"
)

var accounts = fakem365.Accounts{
	{Address: mailbox, Password: password},
	{Address: "off@contoso.com", Password: password, SMTPDisabled: true},
}

// A mailWorld is a tlslift with mail listeners in front of a mail server.
type mailWorld struct {
	*world
	server *fakem365.MailServer
	at     map[string]string // host:port by what the listener is for
}

// The listeners of a mailWorld.
const (
	viaSMTP    = "smtp"
	viaSMTPS   = "smtps"
	viaPlain   = "plaintext"
	viaTo465   = "to a destination with implicit TLS"
	viaConnect = "CONNECT"
)

// newMailWorld starts them. Where o says implicit TLS, port 465 of the
// destination leads there, else port 587.
func newMailWorld(t *testing.T, o fakem365.MailOptions, change func(*proxy.Config)) *mailWorld {
	t.Helper()
	fake := testenv.FakeM365(t)
	o.Accounts = accounts
	server, err := fake.ServeSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	w := &mailWorld{server: server, at: map[string]string{}}
	w.world = newWorld(t, fake, server.Addr(), func(c *proxy.Config) {
		mailListeners(t, c, server.Addr())
		if change != nil {
			change(c)
		}
	})
	for i, name := range []string{viaSMTP, viaSMTPS, viaPlain, viaTo465, viaConnect} {
		w.at[name] = w.world.server.Listeners()[i].Address
	}
	return w
}

func mailListeners(t *testing.T, c *proxy.Config, upstream string) {
	t.Helper()
	extra, err := policy.ParseEndpoint(mailHost + ":465")
	if err != nil {
		t.Fatal(err)
	}
	if c.Policy, err = m365.New(m365.Worldwide, []policy.Endpoint{extra}); err != nil {
		t.Fatal(err)
	}
	const any = "127.0.0.1:0"
	c.Listeners = []listener.URL{
		{Scheme: listener.SchemeSMTP, Address: any},
		{Scheme: listener.SchemeSMTPS, Address: any},
		{Scheme: listener.SchemeSMTP, Address: any, Plaintext: true},
		{Scheme: listener.SchemeSMTP, Address: any, To: policy.Destination{Host: mailHost, Port: 465}},
		{Scheme: listener.SchemeProxy, Address: any},
	}
	c.Upstream.ConnectTo = map[string]string{submission: upstream, mailHost + ":465": upstream}
}

// send sends a mail through one of the listeners.
func (w *mailWorld) send(via string, c *fakem365.Client, m fakem365.Mail) (fakem365.Sent, error) {
	w.t.Helper()
	c.Proxy, c.Address = "", w.at[via]
	if via == viaConnect {
		c.Proxy, c.Address = w.at[via], ""
	}
	if m.From == "" {
		m.From = mailbox
	}
	if m.User == "" {
		m.User = mailbox
	}
	m.Password, m.To = password, []string{"archive@contoso.com"}
	if m.Data == nil {
		m.Data = []byte("Subject: scan\r\n\r\n.a dot\r\nand more\r\n")
	}
	return c.SendMail(w.t.Context(), m)
}

// rsaOnly is a client of TLS 1.2 that knows only RSA key exchange.
func (w *mailWorld) rsaOnly() *fakem365.Client {
	c := w.client(tls.VersionTLS12)
	c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	return c
}

// Mail arrives through every listener from clients of every age. Where both
// sides begin TLS alike, those who can are passed.
func TestMailArrives(t *testing.T) {
	t.Parallel()
	starttls := newMailWorld(t, fakem365.MailOptions{}, nil)
	implicit := newMailWorld(t, fakem365.MailOptions{Implicit: true}, nil)
	for _, tt := range []struct {
		w        *mailWorld
		via      string
		security fakem365.MailSecurity
		modern   string // why a modern client is lifted; empty: it is passed
	}{
		{starttls, viaSMTP, fakem365.StartTLS, ""},
		{starttls, viaSMTP, fakem365.ImplicitTLS, "tls_mode_mismatch"},
		{starttls, viaSMTPS, fakem365.ImplicitTLS, "tls_mode_mismatch"},
		{starttls, viaPlain, fakem365.StartTLS, ""},
		{starttls, viaPlain, fakem365.ImplicitTLS, "tls_mode_mismatch"},
		{starttls, viaConnect, fakem365.StartTLS, ""},
		{implicit, viaTo465, fakem365.StartTLS, "tls_mode_mismatch"},
		{implicit, viaTo465, fakem365.ImplicitTLS, ""},
	} {
		for _, age := range []struct {
			name   string
			client *fakem365.Client
			why    string
		}{
			{"TLS 1.0", tt.w.client(tls.VersionTLS10), "tls_version"},
			{"TLS 1.1", tt.w.client(tls.VersionTLS11), "tls_version"},
			{"TLS 1.2 with RSA key exchange", tt.w.rsaOnly(), "cipher_suites"},
			{"TLS 1.3", tt.w.client(tls.VersionTLS13), tt.modern},
		} {
			t.Run(fmt.Sprintf("%s/%d/%s", tt.via, tt.security, age.name), func(t *testing.T) {
				sent, err := tt.w.send(tt.via, age.client, fakem365.Mail{Security: tt.security})
				if err != nil {
					t.Fatal(err)
				}
				outcome, why := record.OutcomeLifted, age.why
				if why == "" {
					outcome, why = record.OutcomePassed, "capable"
				}
				if lifted := tt.w.lifted(sent.TLS); lifted != (outcome == record.OutcomeLifted) {
					t.Errorf("decrypted=%v", lifted)
				}
				rec := tt.w.expect(outcome, "")
				if string(rec.Rule) != why || rec.Protocol != "smtp" || !strings.HasPrefix(age.name, rec.OfferedVersion) {
					t.Errorf("record %+v", rec)
				}
				tt.w.arrived()
			})
		}
	}
}

// arrived looks at the mail that the server has got last.
func (w *mailWorld) arrived() {
	w.t.Helper()
	all := w.server.Messages()
	if len(all) == 0 {
		w.t.Fatal("no mail arrived")
	}
	got := all[len(all)-1]
	if string(got.Data) != "Subject: scan\r\n\r\n.a dot\r\nand more\r\n" || got.Login != mailbox || got.TLS.Version < tls.VersionTLS12 {
		w.t.Errorf("arrived as %+v", got)
	}
}

// A client without TLS is told to use it, and served only where that is
// allowed.
func TestMailWithoutTLS(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, nil)
	var refusal *fakem365.ReplyError
	client := w.client(tls.VersionTLS10)
	client.Proxy, client.Address = "", w.at[viaSMTP]
	_, err := client.SendMail(t.Context(), fakem365.Mail{Security: fakem365.NoTLS, From: mailbox, To: []string{mailbox}})
	if !errors.As(err, &refusal) || refusal.Code != 530 || !strings.HasPrefix(refusal.Text, "5.7.0 ") {
		t.Fatalf("got %v, want 530 5.7.0", err)
	}
	rec := w.expect(record.OutcomeRefused, record.ReasonPlaintextNotAllowed)
	if rec.OfferedVersion != "none" || rec.Protocol != "smtp" || len(w.server.Messages()) != 0 {
		t.Errorf("record %+v", rec)
	}
	for _, helo := range []bool{false, true} {
		if _, err := w.send(viaPlain, w.client(tls.VersionTLS10), fakem365.Mail{Security: fakem365.NoTLS, HELO: helo}); err != nil {
			t.Fatal(err)
		}
		rec = w.expect(record.OutcomeLifted, "")
		if rec.OfferedVersion != "none" || rec.Rule != "plaintext" || rec.ClientTLS != nil || rec.UpstreamTLS == nil {
			t.Errorf("record %+v", rec)
		}
		w.arrived()
	}
}

// Devices err in ways that keep mail from no other server.
func TestMailQuirks(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, nil)
	for name, m := range map[string]fakem365.Mail{
		"HELO instead of EHLO": {HELO: true},
		"odd name":             {Name: "2nd floor <HP>"},
		"bracketed name":       {Name: "[192.168.1.9]"},
		"bare name":            {Name: "NPIF65E56"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.send(viaSMTP, w.client(tls.VersionTLS10), m); err != nil {
				t.Fatal(err)
			}
			w.expect(record.OutcomeLifted, "")
			w.arrived()
		})
	}
}

// A device that does not repeat its EHLO after STARTTLS can sign in: the
// destination gets one on its behalf.
func TestMailNoSecondEHLO(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, nil)
	raw := dial(t, w.at[viaSMTP])
	r := bufio.NewReader(raw)
	talk(t, raw, r, "", "220 ")
	talk(t, raw, r, "EHLO printer", "250 ")
	talk(t, raw, r, "STARTTLS", "220 ")
	cfg := w.oldConfig()
	cfg.ServerName = mailHost
	conn := tls.Client(raw, cfg)
	r = bufio.NewReader(conn)
	talk(t, conn, r, "AUTH LOGIN", "334 ")
	talk(t, conn, r, "*", "501 ")
	talk(t, conn, r, "QUIT", "221 ")
	_ = conn.Close()
	w.expect(record.OutcomeLifted, "")
}

// talk sends a command and reads a whole reply, whose last line begins as
// wanted.
func talk(t *testing.T, conn io.Writer, r *bufio.Reader, command, want string) {
	t.Helper()
	if command != "" {
		if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %q, %v", command, line, err)
		}
		if len(line) > 3 && line[3] != '-' {
			if !strings.HasPrefix(line, want) {
				t.Fatalf("%s: answered %q, want %q", command, line, want)
			}
			return
		}
	}
}

// A modern client whose hello the destination refuses after STARTTLS is
// lifted in the same connection; the destination reads a second negotiation.
func TestMailPassElseLift(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{TLS: fakem365.TLSOptions{MinVersion: tls.VersionTLS13}}, nil)
	for i := range 2 {
		sent, err := w.send(viaSMTP, w.client(tls.VersionTLS12), fakem365.Mail{})
		if err != nil || !w.lifted(sent.TLS) {
			t.Fatal(err)
		}
		if rec := w.expect(record.OutcomeLifted, ""); rec.Rule != "destination_refused" || rec.Protocol != "smtp" {
			t.Errorf("connection %d: %+v", i, rec)
		}
		w.arrived()
	}
	w.server.Close() // so that all handshakes are counted
	if got := w.server.Handshakes().Failed; got != 1 {
		t.Errorf("the destination has refused %d hellos, want 1: the second connection should remember", got)
	}
}

// What Microsoft 365 answers is counted, and explained where it is known.
func TestMailReplies(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{MaxMessage: 1000}, nil)
	for name, tt := range map[string]struct {
		mail   fakem365.Mail
		reply  string
		reason record.Reason
	}{
		"taken":            {fakem365.Mail{}, "", ""},
		"wrong password":   {fakem365.Mail{User: "nobody@contoso.com"}, "535 5.7.3", record.ReasonSMTPAuthFailed},
		"SMTP AUTH is off": {fakem365.Mail{User: "off@contoso.com"}, "535 5.7.139", record.ReasonSMTPAuthDisabled},
		"another sender":   {fakem365.Mail{From: "ceo@contoso.com"}, "550 5.7.60", record.ReasonSMTPSendAsDenied},
		"too large": {fakem365.Mail{Data: bytes.Repeat([]byte("0123456789abcdef\r\n"), 1000)}, "552 5.3.4",
			record.ReasonSMTPMessageTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			for _, via := range []string{viaSMTP, viaPlain} {
				m := tt.mail
				if via == viaPlain {
					m.Security = fakem365.NoTLS
				}
				_, err := w.send(via, w.client(tls.VersionTLS10), m)
				if (err == nil) != (tt.reason == "") {
					t.Errorf("%s: got %v", via, err)
				}
				rec := w.record()
				if rec.Outcome != record.OutcomeLifted || rec.Reason != tt.reason || !strings.HasPrefix(rec.SMTPReply, tt.reply) {
					t.Errorf("%s: got %s %q %q, want %q %q", via, rec.Outcome, rec.Reason, rec.SMTPReply, tt.reason, tt.reply)
				}
				if len(rec.SMTPReplies) == 0 {
					t.Errorf("%s: counted no replies", via)
				}
			}
		})
	}
}

// When the destination cannot be reached or trusted, the client reads so in
// its own protocol, in plaintext or inside its TLS.
func TestMailUpstreamTrouble(t *testing.T) {
	t.Parallel()
	down := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) {
		nowhere := testenv.RefusingAddress(t)
		for destination := range c.Upstream.ConnectTo {
			c.Upstream.ConnectTo[destination] = nowhere
		}
	})
	wrong := newMailWorld(t, fakem365.MailOptions{TLS: fakem365.TLSOptions{Names: []string{"evil.example"}}}, nil)
	for _, tt := range []struct {
		w        *mailWorld
		via      string
		security fakem365.MailSecurity
		reason   record.Reason
	}{
		{down, viaSMTP, fakem365.StartTLS, record.ReasonUpstreamRefused},
		{down, viaSMTP, fakem365.ImplicitTLS, record.ReasonUpstreamRefused},
		{down, viaSMTPS, fakem365.ImplicitTLS, record.ReasonUpstreamRefused},
		{down, viaPlain, fakem365.NoTLS, record.ReasonUpstreamRefused},
		{wrong, viaSMTP, fakem365.StartTLS, record.ReasonUpstreamCertName},
		{wrong, viaSMTPS, fakem365.ImplicitTLS, record.ReasonUpstreamCertName},
		{wrong, viaPlain, fakem365.NoTLS, record.ReasonUpstreamCertName},
		{wrong, viaConnect, fakem365.StartTLS, record.ReasonUpstreamCertName},
	} {
		t.Run(fmt.Sprintf("%s/%d/%s", tt.via, tt.security, tt.reason), func(t *testing.T) {
			var refusal *fakem365.ReplyError
			_, err := tt.w.send(tt.via, tt.w.client(tls.VersionTLS10), fakem365.Mail{Security: tt.security})
			if !errors.As(err, &refusal) || refusal.Code != 421 || !strings.HasPrefix(refusal.Text, "4.4.1 ") ||
				!strings.Contains(refusal.Text, string(tt.reason)) || !strings.Contains(refusal.Text, tt.reason.Cause()) {
				t.Errorf("got %v, want 421 4.4.1 with the reason", err)
			}
			tt.w.expect(record.OutcomeFailed, tt.reason)
			if len(tt.w.server.Messages()) != 0 {
				t.Error("mail arrived all the same")
			}
		})
	}
}

// A connector that goes by certificate sees ours.
func TestMailClientCertificate(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	certificate, err := fake.Certificate(fakem365.CertOptions{Names: []string{"contoso.com"}})
	if err != nil {
		t.Fatal(err)
	}
	server, err := fake.ServeSMTP(fakem365.MailOptions{MX: true, TLS: fakem365.TLSOptions{
		Names: []string{"*.mail.protection.outlook.com"}, ClientCAs: fake.Roots(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	const mx = "contoso-com.mail.protection.outlook.com"
	w := newWorld(t, fake, "", func(c *proxy.Config) {
		c.Listeners = []listener.URL{{Scheme: listener.SchemeSMTP, Address: "127.0.0.1:0", To: policy.Destination{Host: mx, Port: 25}}}
		c.Upstream.ConnectTo = map[string]string{mx + ":25": server.Addr()}
		c.Upstream.Certificate = &certificate
		c.Upstream.ShowsCertificate = func(host string, port uint16) bool { return host == mx && port == 25 }
	})
	client := w.client(tls.VersionTLS10)
	client.Proxy, client.Address = "", w.server.Listeners()[0].Address
	if _, err := client.SendMail(t.Context(), fakem365.Mail{Server: mx + ":25", From: mailbox, To: []string{mailbox}}); err != nil {
		t.Fatal(err)
	}
	w.expect(record.OutcomeLifted, "")
	shown := server.Messages()[0].TLS.PeerCertificates
	if len(shown) == 0 || shown[0].DNSNames[0] != "contoso.com" {
		t.Errorf("the destination saw %v", shown)
	}
}

// A full house says so before anything else.
func TestMailLimits(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) { c.MaxConnectionsPerClient = 1 })
	first := dial(t, w.at[viaSMTP])
	r := bufio.NewReader(first)
	talk(t, first, r, "", "220 ")
	second := dial(t, w.at[viaSMTP])
	talk(t, second, bufio.NewReader(second), "", "421 4.7.0 ")
	w.expect(record.OutcomeRefused, record.ReasonTooManyFromClient)
	talk(t, first, r, "QUIT", "221 ")
	w.expect(record.OutcomeFailed, record.ReasonClosedBeforeTLS)
}

// A client on the wrong port is told what it can read.
func TestMailWrongPort(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) { c.Listeners[0].Wait = time.Millisecond })
	plain := dial(t, w.at[viaSMTPS])
	talk(t, plain, bufio.NewReader(plain), "EHLO printer", "530 5.7.0 ")
	w.expect(record.OutcomeRefused, record.ReasonNotTLS)

	late := dial(t, w.at[viaSMTP])
	talk(t, late, bufio.NewReader(late), "", "220 ")
	cfg := w.oldConfig()
	if err := tls.Client(late, cfg).HandshakeContext(t.Context()); err == nil || !strings.Contains(err.Error(), "unexpected message") {
		t.Errorf("got %v, want the alert unexpected_message", err)
	}
	w.expect(record.OutcomeRefused, record.ReasonTLSBeforeStartTLS)
}

// What is said between STARTTLS and TLS gets nowhere, also when it comes after
// the reply.
func TestMailInjection(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, nil)
	for name, late := range map[string]bool{"in one segment": false, "after the reply": true} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, w.at[viaSMTP])
			r := bufio.NewReader(conn)
			talk(t, conn, r, "", "220 ")
			talk(t, conn, r, "EHLO printer", "250 ")
			const evil = "RSET\r\nMAIL FROM:<evil@contoso.com>"
			if late {
				talk(t, conn, r, "STARTTLS", "220 ")
				if _, err := io.WriteString(conn, evil+"\r\n"); err != nil {
					t.Fatal(err)
				}
			} else {
				talk(t, conn, r, "STARTTLS\r\n"+evil, "503 5.5.1 ")
			}
			if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 && !late {
				t.Errorf("then came %q, %v", rest, err)
			}
			w.expect(record.OutcomeRefused, record.ReasonCommandAfterStartTLS)
		})
	}
}

// A scripted server for what no real one does.
func scripted(t *testing.T, lines ...string) string {
	t.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		r := bufio.NewReader(conn)
		for i, line := range lines {
			if i > 0 {
				if _, err := r.ReadString('\n'); err != nil {
					return
				}
			}
			_, _ = io.WriteString(conn, line)
		}
		_, _ = io.Copy(io.Discard, r)
	}()
	t.Cleanup(func() { _ = ln.Close(); <-ended })
	return ln.Addr().String()
}

// Nothing makes tlslift go on without TLS towards the destination, and nothing
// that was said before TLS reaches the client as said inside.
func TestMailHostileUpstream(t *testing.T) {
	t.Parallel()
	const offer = "250-mx\r\n250 STARTTLS\r\n"
	for name, tt := range map[string]struct {
		lines  []string
		want   string
		reason record.Reason
	}{
		"STARTTLS is stripped": {[]string{"220 mx\r\n", "250-mx\r\n250 AUTH LOGIN\r\n"}, "421 4.4.1 ", record.ReasonUpstreamNoStartTLS},
		"STARTTLS is refused":  {[]string{"220 mx\r\n", offer, "454 4.7.0 not now\r\n"}, "454 4.7.0 not now", record.ReasonUpstreamNoStartTLS},
		"STARTTLS gets 250":    {[]string{"220 mx\r\n", offer, "250 ok\r\n"}, "421 4.4.1 ", record.ReasonUpstreamNoStartTLS},
		"injected reply":       {[]string{"220 mx\r\n", offer, "220 go\r\n250 AUTH PLAIN\r\n"}, "421 4.4.1 ", record.ReasonUpstreamReplyInjected},
		"endless reply": {[]string{"220 mx\r\n", strings.Repeat("250-more\r\n", 10000)}, "421 4.4.1 ",
			record.ReasonUpstreamReplyMalformed},
		"overlong line": {[]string{"220 mx\r\n", "250 " + strings.Repeat("x", 100000) + "\r\n"}, "421 4.4.1 ",
			record.ReasonUpstreamReplyMalformed},
		"banned": {[]string{"554 5.7.606 Access denied, banned sending IP\r\n"}, "554 5.7.606 ",
			record.ReasonUpstreamRefusedSession},
		"421 to EHLO": {[]string{"220 mx\r\n", "421 4.7.0 Too many connections\r\n"}, "421 4.7.0 Too many connections",
			record.ReasonUpstreamRefusedSession},
		"another protocol": {[]string{"* OK IMAP\r\n"}, "421 4.4.1 ", record.ReasonUpstreamReplyMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := scripted(t, tt.lines...)
			w := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) { c.Upstream.ConnectTo[submission] = addr })
			_, err := w.send(viaSMTP, w.client(tls.VersionTLS10), fakem365.Mail{})
			var refusal *fakem365.ReplyError
			if !errors.As(err, &refusal) || !strings.HasPrefix(fmt.Sprintf("%d %s", refusal.Code, refusal.Text), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			w.expect(record.OutcomeFailed, tt.reason)
		})
	}
}

// gate is a way to a server that opens when the channel is closed.
func gate(t *testing.T, address string, open <-chan struct{}) string {
	t.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		near, err := ln.Accept()
		if err != nil {
			return
		}
		defer near.Close()
		<-open
		var d net.Dialer
		far, err := d.Dial("tcp", address)
		if err != nil {
			return
		}
		defer far.Close()
		all.Go(func() { _, _ = io.Copy(far, near); _ = far.(*net.TCPConn).CloseWrite() })
		_, _ = io.Copy(near, far)
	})
	t.Cleanup(func() { _ = ln.Close(); all.Wait() })
	return ln.Addr().String()
}

// A client that begins with TLS while the destination is being reached is
// served as one that began at once.
func TestMailLateTLSFirst(t *testing.T) {
	t.Parallel()
	open := make(chan struct{})
	w := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) {
		c.Listeners[0].Wait = time.Millisecond
		c.Upstream.ConnectTo[submission] = gate(t, c.Upstream.ConnectTo[submission], open)
	})
	conn := dial(t, w.at[viaSMTP])
	cfg := w.oldConfig()
	cfg.ServerName = mailHost
	client := tls.Client(&writeThenOpen{conn, sync.OnceFunc(func() { close(open) })}, cfg)
	r := bufio.NewReader(client)
	talk(t, client, r, "", "220 ")
	talk(t, client, r, "EHLO printer", "250 ")
	talk(t, client, r, "QUIT", "221 ")
	_ = conn.Close()
	w.expect(record.OutcomeLifted, "")
}

// writeThenOpen opens a gate when the first bytes were written.
type writeThenOpen struct {
	net.Conn
	open func()
}

func (c *writeThenOpen) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.open()
	return n, err
}

// A client that was told to begin TLS reads alerts and no text.
func TestMailBrokenHellos(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) { c.HandshakeTimeout = time.Second })
	for name, tt := range map[string]struct {
		hello  string
		reason record.Reason
	}{
		"malformed": {"\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x01\x00\x00", record.ReasonHelloMalformed},
		"stalled":   {"\x16\x03\x01\x00\x80\x01", record.ReasonHelloTimeout},
	} {
		for _, via := range []string{viaSMTP, viaSMTPS} {
			t.Run(name+"/"+via, func(t *testing.T) {
				conn := dial(t, w.at[via])
				if via == viaSMTP {
					r := bufio.NewReader(conn)
					talk(t, conn, r, "", "220 ")
					talk(t, conn, r, "STARTTLS", "220 ")
				}
				if _, err := io.WriteString(conn, tt.hello); err != nil {
					t.Fatal(err)
				}
				answer := make([]byte, 7)
				if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 21 {
					t.Errorf("answered %q, %v; want an alert", answer, err)
				}
				_ = conn.Close()
				if got := w.record(); got.Reason != tt.reason {
					t.Errorf("recorded as %s", got.Reason)
				}
			})
		}
	}
}

// What is not TLS in the place of a ServerHello never reaches the client.
func TestMailNoServerHello(t *testing.T) {
	t.Parallel()
	addr := scripted(t, "220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n", "250 INJECTED\r\n")
	w := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) { c.Upstream.ConnectTo[submission] = addr })
	_, err := w.send(viaSMTP, w.client(tls.VersionTLS13), fakem365.Mail{})
	if err == nil || strings.Contains(err.Error(), "INJECTED") {
		t.Errorf("got %v", err)
	}
	w.expect(record.OutcomeFailed, record.ReasonUpstreamReplyInjected)
}

// What the destination says before TLS is not repeated inside the client's,
// where it would pass for said inside.
func TestMailPlainWordsStayOutsideTLS(t *testing.T) {
	t.Parallel()
	addr := scripted(t, "554 5.7.1 INJECTED\r\n")
	w := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) { c.Upstream.ConnectTo[submission] = addr })
	_, err := w.send(viaSMTPS, w.client(tls.VersionTLS10), fakem365.Mail{Security: fakem365.ImplicitTLS})
	var refusal *fakem365.ReplyError
	if !errors.As(err, &refusal) || refusal.Code != 421 || strings.Contains(refusal.Text, "INJECTED") {
		t.Errorf("got %v, want 421 in our own words", err)
	}
	w.expect(record.OutcomeFailed, record.ReasonUpstreamRefusedSession)
}

// A client that says HELO can sign in: the destination has heard EHLO.
func TestMailHELOAndSignIn(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, nil)
	conn := tls.Client(dial(t, w.at[viaSMTPS]), w.oldConfig())
	r := bufio.NewReader(conn)
	talk(t, conn, r, "", "220 ")
	talk(t, conn, r, "HELO printer", "250 ")
	talk(t, conn, r, "AUTH LOGIN", "334 ")
	talk(t, conn, r, base64.StdEncoding.EncodeToString([]byte(mailbox)), "334 ")
	talk(t, conn, r, base64.StdEncoding.EncodeToString([]byte(password)), "235 ")
	talk(t, conn, r, "QUIT", "221 ")
	_ = conn.Close()
	w.expect(record.OutcomeLifted, "")
}
