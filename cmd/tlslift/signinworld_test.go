package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/fakem365/mailbox"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const (
	appID     = "11111111-2222-3333-4444-555555555555"
	appSecret = "the-Secret~of.the_application"
	scan      = "scan@contoso.com"
	// invoices is a mailbox that jane signs in to, and orders one that signs in itself.
	invoices = "invoices@contoso.com"
	jane     = "jane@contoso.com"
	orders   = "orders@contoso.com"
	// hidden is off at SMTP, and foreign is one that nobody gave to the application.
	hidden  = "off@contoso.com"
	foreign = "foreign@contoso.com"
)

const signInYAML = `tenant: contoso.onmicrosoft.com
application:
  id: ` + appID + `
  secret_file: app-secret
mailboxes:
  - {address: ` + scan + `, clients: [10.1.2.3]}
  - {address: ` + invoices + `, delegated: true, user: ` + jane + `, clients: [10.1.2.4]}
  - {address: ` + orders + `, delegated: true, clients: [10.1.2.5]}
  - {address: ` + hidden + `, clients: [10.1.2.6]}
  - {address: ` + foreign + `, clients: [10.1.2.7]}
  - {address: bulk@contoso.com, hve: true, clients: [10.1.2.8]}
`

// A signInWorld is a fake Microsoft 365 that takes tokens only, with its Entra, and the
// settings for it.
type signInWorld struct {
	*fakeentra.Server

	fake      *fakem365.Service
	mail      *fakem365.MailServer
	dir       string
	connectTo map[string]string
	environ   map[string]string
}

func newSignInWorld(t *testing.T) *signInWorld {
	t.Helper()
	entra, err := fakeentra.New(fakeentra.Options{Key: testenv.RSAKey(t, 0), Interval: 1, Applications: []fakeentra.Application{{
		ID: appID, Secret: appSecret, Public: true,
		Roles:  []string{"SMTP.SendAsApp", "IMAP.AccessAsApp", "POP.AccessAsApp", "Mail.Send"},
		Scopes: []string{"SMTP.Send", "IMAP.AccessAsUser.All", "POP.AccessAsUser.All"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	w := &signInWorld{Server: entra, fake: testenv.FakeM365(t), dir: t.TempDir(), connectTo: map[string]string{}}
	server, err := entra.Serve(w.fake, fakem365.TLSOptions{Names: []string{fakeentra.Host}})
	if err != nil {
		t.Fatal(err)
	}
	accounts := fakem365.Accounts{
		{Address: scan, Delegates: []string{appID}}, {Address: invoices, Delegates: []string{jane}}, {Address: orders},
		{Address: hidden, Delegates: []string{appID}, SMTPDisabled: true}, {Address: foreign},
		{Address: "bulk@contoso.com", Delegates: []string{appID}, Password: "PASSWORD"},
		{Address: "printer@contoso.com", Password: "PASSWORD", TakesPassword: true},
	}
	if w.mail, err = w.fake.ServeSMTP(fakem365.MailOptions{Accounts: accounts, Tokens: entra}); err != nil {
		t.Fatal(err)
	}
	hve, err := w.fake.ServeSMTP(fakem365.MailOptions{
		Accounts: accounts, Tokens: entra, HVE: true, TLS: fakem365.TLSOptions{Names: []string{"smtp.hve.mx.microsoft"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	o := mailbox.Options{Implicit: true, Accounts: accounts, Tokens: entra, Challenge: true}
	imap, err := mailbox.ServeIMAP(w.fake, o)
	if err != nil {
		t.Fatal(err)
	}
	pop3, err := mailbox.ServePOP3(w.fake, o)
	if err != nil {
		t.Fatal(err)
	}
	w.connectTo[fakeentra.Host+":443"] = server.Addr()
	w.connectTo["smtp.office365.com:587"] = w.mail.Addr()
	w.connectTo["smtp.hve.mx.microsoft:587"] = hve.Addr()
	w.connectTo["outlook.office365.com:993"] = imap.Addr()
	w.connectTo["outlook.office365.com:995"] = pop3.Addr()
	w.write(t, "app-secret", appSecret+"\n")
	w.environ = map[string]string{
		"TLSLIFT_STATE_DIR": filepath.Join(w.dir, "state"), "TLSLIFT_UPSTREAM_CA_FILE": w.write(t, "roots.pem", string(w.fake.RootPEM())),
		"TLSLIFT_SIGNIN_FILE": w.write(t, "signin.yaml", signInYAML),
	}
	if err := os.Mkdir(w.environ["TLSLIFT_STATE_DIR"], 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *signInWorld) write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// all returns the environment.
func (w *signInWorld) all() map[string]string {
	var pairs []string
	for from, to := range w.connectTo {
		pairs = append(pairs, from+"="+to)
	}
	w.environ["TLSLIFT_CONNECT_TO"] = strings.Join(pairs, ",")
	return w.environ
}

// run runs a command, which shows nothing that is secret.
func (w *signInWorld) run(t *testing.T, args ...string) result {
	t.Helper()
	got := runWith(t, w.all(), args...)
	wantNoSecret(t, got.stdout+got.stderr)
	return got
}

func wantNoSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{appSecret, "eyJ", "ZXlK", "Bearer ", "dXNlcj"} { // tokens, in base64 as well
		if strings.Contains(text, secret) {
			t.Errorf("%q is in:\n%s", secret, text)
		}
	}
}

// A script is an SMTP server whose replies a test says, by the verb of the command; the
// end of a mail is ".". Of the others it knows the replies of Microsoft 365.
type script map[string]string

// serve puts the script in the place of Microsoft 365.
func (s script) serve(t *testing.T, w *signInWorld) {
	t.Helper()
	server, err := w.fake.Serve(fakem365.TLSOptions{}, func(server *fakem365.Server, conn net.Conn) {
		s.talk(conn, func(c net.Conn) (net.Conn, error) { return server.Handshake(c) })
	})
	if err != nil {
		t.Fatal(err)
	}
	w.connectTo["smtp.office365.com:587"] = server.Addr()
}

var usualReplies = script{
	"": "220 ready", "EHLO": "250-fake\r\n250-STARTTLS\r\n250 AUTH LOGIN XOAUTH2", "STARTTLS": "220 2.0.0 go ahead", "AUTH": "235 2.7.0 ok",
	"MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok", "DATA": "354 go on", ".": "250 2.0.0 ok", "QUIT": "221 2.0.0 bye",
}

// talk answers commands. In a reply %s is the command; an empty one closes the connection.
func (s script) talk(conn net.Conn, secure func(net.Conn) (net.Conn, error)) {
	answer := func(verb, line string) bool {
		text, own := s[verb]
		if !own {
			text = usualReplies[verb]
		}
		if strings.Contains(text, "%s") {
			text = fmt.Sprintf(text, line)
		}
		if text == "" {
			return false
		}
		_, err := fmt.Fprintf(conn, "%s\r\n", text)
		return err == nil
	}
	if !answer("", "") {
		return
	}
	for in := bufio.NewScanner(conn); in.Scan(); {
		verb, _, _ := strings.Cut(in.Text(), " ")
		if verb == "DATA" {
			if !answer(verb, "") {
				return
			}
			for in.Scan() && in.Text() != "." {
			}
			verb = "."
		}
		if !answer(verb, in.Text()) {
			return
		}
		if verb == "STARTTLS" {
			inside, err := secure(conn)
			if err != nil {
				return
			}
			conn, in = inside, bufio.NewScanner(inside)
		}
	}
}
