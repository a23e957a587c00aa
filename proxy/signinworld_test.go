package proxy_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	fakemailbox "github.com/tlslift/tlslift/proxy/fakem365/mailbox"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sasl"
	"github.com/tlslift/tlslift/proxy/signin"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const (
	applicationID     = "11111111-2222-3333-4444-555555555555"
	applicationSecret = "the-Secret~of.the_application"
	scanner           = "scan@contoso.com"
	sharedMailbox     = "shared@contoso.com"
	person            = "delegate@contoso.com"
	devicePassword    = "kyo-12 chars"
	operatorHost      = "mail.office.com" // which the CA may sign for
	legacyHost        = "smtp-legacy.office365.com"
	directSend        = "contoso-com.mail.protection.outlook.com"
)

// Clients of a signInWorld, which come through a balancer.
const (
	copier  = "10.0.0.1" // may use all logins that name no clients
	printer = "10.0.0.2" // the only one that may use its login
	mappedC = "10.0.0.9" // may send without a login
	laptop  = "10.0.9.9" // named nowhere
)

// mailboxesOfAll is the part of a sign-in file that most tests have.
const mailboxesOfAll = `
  - address: scan@contoso.com
    logins:
      - {name: copier1, password: HASH}
      - {name: printer2, password: HASH, clients: [10.0.0.2]}
    clients: [10.0.0.9, 10.0.8.9, named device]
    senders: [scan@contoso.com, "*@scan.contoso.com"]
    messages_per_minute: 6000
`

// signInConfig reads a sign-in file with these mailboxes, in which HASH stands for that of
// devicePassword.
func signInConfig(t testing.TB, mailboxes string) *signin.Config {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(devicePassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"secret": applicationSecret, "known": devicePassword,
		"signin.yaml": "tenant: contoso.onmicrosoft.com\napplication:\n  id: " + applicationID + "\n  secret_file: secret\nmailboxes:\n" +
			strings.ReplaceAll(mailboxes, "HASH", string(hash)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := signin.Load(filepath.Join(dir, "signin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// A cloud is a fake Entra and a fake Microsoft 365 whose mailboxes take its tokens only.
type cloud struct {
	*fakem365.Service
	entra *fakeentra.Server
	mail  *fakem365.MailServer
	web   *fakem365.Server // of Entra
	mx    *fakem365.MailServer
	at    map[string]string // host:port of servers by destination
	ahead atomic.Int64      // how far its clock, and that of tlslift, is ahead
}

// Now is the time of both clocks.
func (c *cloud) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{Service: testenv.FakeM365(t)}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	c.entra, err = fakeentra.New(fakeentra.Options{Key: testenv.RSAKey(t, 0), Now: c.Now, Applications: []fakeentra.Application{{
		ID: applicationID, Secret: applicationSecret, Public: true,
		Roles:  []string{"SMTP.SendAsApp", "IMAP.AccessAsApp", "POP.AccessAsApp"},
		Scopes: []string{"SMTP.Send", "IMAP.AccessAsUser.All", "POP.AccessAsUser.All"},
	}}})
	must(err)
	c.web, err = c.entra.Serve(c.Service, fakem365.TLSOptions{})
	must(err)
	all := fakem365.Accounts{
		{Address: scanner, Password: password, Delegates: []string{applicationID}, SendAs: []string{"a@scan.contoso.com"}},
		{Address: sharedMailbox, Delegates: []string{person}},
		{Address: "foreign@contoso.com"}, // the application has no permission for it
	}
	c.mail, err = c.ServeSMTP(fakem365.MailOptions{
		Accounts: all, Tokens: c.entra, TLS: fakem365.TLSOptions{Names: []string{mailHost, legacyHost, operatorHost}},
	})
	must(err)
	c.mx, err = c.ServeSMTP(fakem365.MailOptions{MX: true, TLS: fakem365.TLSOptions{Names: []string{directSend}}})
	must(err)
	o := fakemailbox.Options{Accounts: all, Tokens: c.entra, Implicit: true, Inbox: [][]byte{[]byte("Subject: one\n\nA mail.\n")}}
	imap, err := fakemailbox.ServeIMAP(c.Service, o)
	must(err)
	pop3, err := fakemailbox.ServePOP3(c.Service, o)
	must(err)
	c.at = map[string]string{
		submission: c.mail.Addr(), operatorHost + ":587": c.mail.Addr(), legacyHost + ":587": c.mail.Addr(),
		directSend + ":25": c.mx.Addr(), host + ":993": imap.Addr(), host + ":995": pop3.Addr(),
	}
	return c
}

// A tokenCounter is what gives tokens, and counts who asks.
type tokenCounter struct {
	source        *entra.Source
	asked, renews atomic.Int32
	last          atomic.Pointer[entra.Token]
}

func (c *tokenCounter) Token(ctx context.Context, id entra.Identity) (entra.Token, error) {
	c.asked.Add(1)
	token, err := c.source.Token(ctx, id)
	c.last.Store(&token)
	return token, err
}

func (c *tokenCounter) Renew(ctx context.Context, id entra.Identity, refused entra.Token) (entra.Token, error) {
	c.renews.Add(1)
	return c.source.Renew(ctx, id, refused)
}

// A signInWorld is a tlslift that signs in for its clients, which come through a
// balancer.
type signInWorld struct {
	*world
	*cloud
	keeper *signin.Keeper
	tokens *tokenCounter
	at     map[string]string // host:port by what the listener is for
	config *signin.Config
}

// The listeners of a signInWorld, beside viaSMTP, viaSMTPS and viaConnect.
const (
	viaIMAP       = "imap"
	viaPOP3       = "pop3"
	viaDirectSend = "direct send"
	viaOther      = "a destination that is not Microsoft's"
	viaTLS        = "tls to a port for IMAP"
	viaRedirect   = "redirected"
)

// newSignInWorld starts one in front of a cloud, with a sign-in file of its own.
func newSignInWorld(t *testing.T, c *cloud, mailboxes, stateDir string) *signInWorld {
	t.Helper()
	w := &signInWorld{cloud: c, config: signInConfig(t, mailboxes), at: map[string]string{}}
	w.keeper, w.tokens = signin.New(w.config), &tokenCounter{}
	var err error
	w.tokens.source, err = entra.New(entra.Config{
		Tenant: w.config.Tenant, ApplicationID: w.config.Application.ID, SecretFile: w.config.Application.SecretFile,
		HTTP: testenv.Direct(c.Service, c.web).HTTP(), StateDir: stateDir, Now: c.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.tokens.source.Close(context.Background()) })
	names := []string{viaSMTP, viaSMTPS, viaIMAP, viaPOP3, viaDirectSend, viaOther, viaTLS, viaConnect, viaRedirect}
	w.world = newWorld(t, c.Service, c.mail.Addr(), func(cfg *proxy.Config) {
		const any, soon = "127.0.0.1:0", time.Millisecond
		cfg.Listeners = []listener.URL{
			{Scheme: listener.SchemeSMTP, Address: any, Wait: soon},
			{Scheme: listener.SchemeSMTPS, Address: any},
			{Scheme: listener.SchemeIMAP, Address: any, Wait: soon},
			{Scheme: listener.SchemePOP3, Address: any, Wait: soon},
			{Scheme: listener.SchemeSMTP, Address: any, Wait: soon, To: policy.Destination{Host: directSend, Port: 25}},
			{Scheme: listener.SchemeSMTP, Address: any, Wait: soon, To: policy.Destination{Host: operatorHost, Port: 587}},
			{Scheme: listener.SchemeTLS, Address: any, To: policy.Destination{Host: host, Port: 993}},
			{Scheme: listener.SchemeProxy, Address: any},
		}
		if runtime.GOOS == "linux" {
			cfg.Listeners = append(cfg.Listeners, listener.URL{Scheme: listener.SchemeRedirect, Address: any, Wait: soon, SNI: mailHost})
		}
		cfg.TrustedProxies = loopback
		cfg.ClientNets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		cfg.Upstream.ConnectTo = c.at
		cfg.Upstream.Resolver = &net.Resolver{PreferGo: true, Dial: noNameServer}
		cfg.MaxConnections, cfg.MaxConnectionsPerClient = 500, 500
		cfg.SignIn, cfg.Tokens = w.keeper, w.tokens
		if cfg.Policy, err = m365.New(m365.Worldwide, testenv.Endpoints(t, operatorHost+":587")); err != nil {
			t.Fatal(err)
		}
		if cfg.Clients, err = clientfile.Parse([]byte("clients:\n- {name: named device, address: 10.0.7.7}\n" +
			"- {name: without TLS, network: 10.0.8.0/24, plaintext: allow}\n")); err != nil {
			t.Fatal(err)
		}
	})
	for i, l := range w.server.Listeners() {
		w.at[names[i]] = l.Address
	}
	return w
}

// A device is a mail client of TLS 1.0, as far as its sign-in.
type device struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// reach opens a connection from a client by way of the balancer.
func (w *signInWorld) reach(from, via string) net.Conn {
	w.t.Helper()
	conn := dial(w.t, w.at[via])
	if _, err := fmt.Fprintf(conn, "PROXY TCP4 %s 203.0.113.1 50000 587\r\n", from); err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// secure begins TLS of one version.
func (d *device) secure(w *signInWorld, name string, version uint16) tls.ConnectionState {
	d.t.Helper()
	roots := w.Roots().Clone()
	roots.AddCert(w.ca.Certificate())
	conn := tls.Client(d.conn, &tls.Config{ServerName: name, RootCAs: roots, MinVersion: version, MaxVersion: version})
	if err := conn.HandshakeContext(context.Background()); err != nil {
		d.t.Fatal(err)
	}
	d.conn, d.r = conn, bufio.NewReader(conn)
	return conn.ConnectionState()
}

// device returns one that has begun TLS 1.0 and said EHLO.
func (w *signInWorld) device(from, via string) *device {
	w.t.Helper()
	d := &device{t: w.t, conn: w.reach(from, via)}
	d.r = bufio.NewReader(d.conn)
	name := cmp.Or(map[string]string{viaDirectSend: directSend, viaOther: operatorHost}[via], mailHost)
	if via == viaSMTPS {
		d.secure(w, name, tls.VersionTLS10)
		d.want("", "220 ")
	} else {
		d.want("", "220 ")
		d.want("EHLO device", "250 ")
		d.want("STARTTLS", "220 ")
		d.secure(w, name, tls.VersionTLS10)
	}
	d.want("EHLO device", "250 ")
	return d
}

// ask sends a command, if there is one, and returns the whole reply.
func (d *device) ask(command string) (string, error) {
	if command != "" {
		if _, err := io.WriteString(d.conn, command+"\r\n"); err != nil {
			return "", err
		}
	}
	var all strings.Builder
	for {
		line, err := d.r.ReadString('\n')
		all.WriteString(line)
		if err != nil || len(line) < 4 || line[3] != '-' {
			return all.String(), err
		}
	}
}

// want sends a command and wants the last line of the reply to begin so.
func (d *device) want(command, want string) string {
	d.t.Helper()
	got, err := d.ask(command)
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if err != nil || !strings.HasPrefix(lines[len(lines)-1], want) {
		d.t.Fatalf("%s: answered %q, %v; want %q", command, got, err, want)
	}
	return got
}

// plain is the command of AUTH PLAIN.
func plain(login, password string) string {
	return "AUTH PLAIN " + sasl.Encode([]byte("\x00"+login+"\x00"+password))
}

// send sends a mail and returns the reply that decided about it.
func (d *device) send(from string) (string, error) {
	for _, step := range []struct{ command, want string }{
		{"MAIL FROM:<" + from + ">", "250 "}, {"RCPT TO:<archive@contoso.com>", "250 "}, {"DATA", "354 "},
	} {
		if got, err := d.ask(step.command); err != nil || !strings.HasPrefix(got, step.want) {
			return got, err
		}
	}
	return d.ask("Subject: scan\r\n\r\nIt would be here.\r\n.")
}

// wantSent sends a mail that arrives.
func (d *device) wantSent(from string) {
	d.t.Helper()
	if got, err := d.send(from); err != nil || !strings.HasPrefix(got, "250 ") {
		d.t.Fatalf("sending: %q, %v", got, err)
	}
}

// quit leaves.
func (d *device) quit() {
	d.t.Helper()
	d.want("QUIT", "221 ")
	_ = d.conn.Close()
}

// wantEnd wants tlslift to have ended the session.
func (d *device) wantEnd() {
	d.t.Helper()
	if rest, err := io.ReadAll(d.r); err != nil || len(rest) > 0 {
		d.t.Errorf("then came %q, %v; want the end", rest, err)
	}
	_ = d.conn.Close()
}

// wantSignedIn wants the next record to be of a session that was signed in.
func (w *signInWorld) wantSignedIn(login string, mails int) record.Record {
	w.t.Helper()
	rec := w.expect(record.OutcomeLifted, "")
	if rec.Mailbox != scanner || rec.Login != login || rec.Accepted != mails || !rec.SignedIn() {
		w.t.Errorf("mailbox %q, login %q, %d mails; want %q, %q, %d", rec.Mailbox, rec.Login, rec.Accepted, scanner, login, mails)
	}
	return rec
}

func noNameServer(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("there is no name server")
}
