package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const (
	signInApplication = "11111111-2222-3333-4444-555555555555"
	signInPassword    = "kyo-12 chars"
)

// newSignInCloud starts a fake Entra and a fake mail server that takes its tokens, and
// returns the settings that lead there.
func newSignInCloud(t *testing.T) (*fakem365.MailServer, []string) {
	t.Helper()
	fake := testenv.FakeM365(t)
	entra, err := fakeentra.New(fakeentra.Options{Key: testenv.RSAKey(t, 0), Applications: []fakeentra.Application{
		{ID: signInApplication, Secret: "of the application", Roles: []string{"SMTP.SendAsApp"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	web, err := entra.Serve(fake, fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mail, err := fake.ServeSMTP(fakem365.MailOptions{Tokens: entra, Accounts: fakem365.Accounts{
		{Address: "scan@contoso.com", Delegates: []string{signInApplication}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return mail, []string{
		"TLSLIFT_LISTEN=smtp://127.0.0.1:0", "TLSLIFT_UPSTREAM_CA_FILE=" + writeFile(t, string(fake.RootPEM())),
		"TLSLIFT_CONNECT_TO=smtp.office365.com:587=" + mail.Addr() + "," + fakeentra.Host + ":443=" + web.Addr(),
	}
}

// signInFile writes a sign-in file with these logins.
func signInFile(t *testing.T, file string, logins ...string) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(signInPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	text := "tenant: contoso.onmicrosoft.com\napplication:\n  id: " + signInApplication + "\n  secret_file: secret\n" +
		"mailboxes:\n- address: scan@contoso.com\n  logins:\n"
	for _, name := range logins {
		text += fmt.Sprintf("  - {name: %s, password: %s}\n", name, hash)
	}
	for name, content := range map[string]string{file: text, filepath.Join(filepath.Dir(file), "secret"): "of the application"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// signIn signs in as a device of TLS 1.0 does, and returns the last reply.
func signIn(t *testing.T, c *child, ca, login string) string {
	t.Helper()
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.listens, "smtp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	reply := ""
	ask := func(command string) {
		t.Helper()
		if _, err := fmt.Fprint(conn, command); err != nil {
			t.Fatal(err)
		}
		for reply = "   -"; len(reply) > 3 && reply[3] == '-'; {
			if reply, err = r.ReadString('\n'); err != nil {
				t.Fatalf("%s: %v", command, err)
			}
		}
	}
	ask("")
	ask("EHLO device\r\n")
	ask("STARTTLS\r\n")
	secure := tls.Client(conn, &tls.Config{
		ServerName: "smtp.office365.com", RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
	})
	conn, r = secure, bufio.NewReader(secure)
	ask("EHLO device\r\n")
	ask("AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+login+"\x00"+signInPassword)) + "\r\n")
	said := reply
	ask("QUIT\r\n")
	return said
}

// SIGHUP reads the sign-in file again. With a mistake in it the one before stays, and the
// log says where the mistake is; a login that is gone is refused.
func TestSignInFileIsReadAgain(t *testing.T) {
	t.Parallel()
	needSignals(t)
	_, environ := newSignInCloud(t)
	file := filepath.Join(t.TempDir(), "signin.yaml")
	signInFile(t, file, "copier1", "copier2")
	c := newChild(t, append(environ, "TLSLIFT_SIGNIN_FILE="+file)...)
	c.start()
	c.started()
	ca := c.record("certificate authority")["file"].(string)
	c.record("started")
	want := func(login, reply string) {
		t.Helper()
		if got := signIn(t, c, ca, login); !strings.HasPrefix(got, reply) {
			t.Errorf("%s hears %q, want %q", login, got, reply)
		}
		if rec := c.record("connection"); (rec["login"] == login) != (reply == "235 ") {
			t.Errorf("logged as %v", rec)
		}
	}
	want("copier1", "235 ")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for mistake, where := range map[string]string{
		strings.Replace(string(good), "tenant:", "tennant:", 1):                      "line 1, column 1: ",
		strings.Replace(string(good), "  logins:", "  login:", 1):                    "line 7, column 3: ",
		strings.Replace(string(good), "secret_file: secret", "secret_file: gone", 1): "line 4, column ",
		"mailboxes: [": "line ",
		"":             "there is nothing in the file",
	} {
		if err := os.WriteFile(file, []byte(mistake), 0o600); err != nil {
			t.Fatal(err)
		}
		c.signal(syscall.SIGHUP)
		got := c.record("reading the configuration again; what was read before stays in force")
		if text, _ := got["error"].(string); !strings.Contains(text, "TLSLIFT_SIGNIN_FILE: "+file+": ") || !strings.Contains(text, where) {
			t.Errorf("got %q, want the file and %q", text, where)
		}
		want("copier1", "235 ")
	}
	signInFile(t, file, "copier2")
	c.signal(syscall.SIGHUP)
	if got := c.record("read the configuration again")["mailboxes"]; got != 1.0 {
		t.Errorf("got %v mailboxes, want 1", got)
	}
	want("copier1", "535 5.7.8 ")
	want("copier2", "235 ")
	c.signal(syscall.SIGTERM)
	if code, rest := c.wait(); code != exitOK {
		t.Errorf("exit code %d: %s", code, rest)
	}
}
