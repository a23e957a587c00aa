package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// An account is what a device signs in with at tlslift.
type account struct{ login, password string }

var (
	copierAccount   = account{"copier1", "Kyo-7261-copier"}
	scannerAccount  = account{"oldscanner", "Ric-5520-scanner"} // whose password CRAM-MD5 can use
	tillAccount     = account{"till-4", "Eps-9981-till"}        // whose mailbox a person has signed in to
	boundAccount    = account{"copier7", "Xer-3307-bound"}      // for boundClient only
	strangerAccount = account{"stranger", "Sha-6412-stranger"}  // whose mailbox the application may not use
)

const (
	applicationID     = "11111111-2222-3333-4444-555555555555"
	applicationSecret = "App~8Q-e2e.secret_of_the_application"
	tillMailbox       = "till@example.com"
	strangerMailbox   = "stranger@example.com"
	// boundClient is the only one that may use boundAccount, and cramClient that may
	// use scannerAccount; mappedClient needs no login at all.
	boundClient, cramClient, mappedClient = "127.0.0.7", "127.0.0.8", "127.0.0.9"
)

// A tenant is a fake Entra for mail servers that ask it about the tokens that
// they get.
type tenant struct {
	*fakeentra.Server

	introspection string      // its URL
	isSilent      atomic.Bool // introspection fails

	mu     sync.Mutex
	issued []string // every token
}

func newTenant(t *testing.T) *tenant {
	t.Helper()
	roles := []string{"SMTP.SendAsApp", "IMAP.AccessAsApp", "POP.AccessAsApp"}
	for i := range 60 { // those of Microsoft Entra are as long
		roles = append(roles, fmt.Sprintf("Other.Role%d.All", i))
	}
	entra, err := fakeentra.New(fakeentra.Options{Key: testenv.RSAKey(t, 0), Applications: []fakeentra.Application{{
		ID: applicationID, Secret: applicationSecret, Public: true, Roles: roles,
		Scopes: []string{"SMTP.Send", "IMAP.AccessAsUser.All", "POP.AccessAsUser.All"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	f := &tenant{Server: entra}
	server := httptest.NewServer(http.HandlerFunc(f.introspect))
	t.Cleanup(server.Close)
	f.introspection = server.URL
	return f
}

// introspect says whose mailbox a token opens (RFC 7662). The application may use
// mailUser's only.
func (f *tenant) introspect(w http.ResponseWriter, r *http.Request) {
	if f.isSilent.Load() {
		http.Error(w, "later", http.StatusServiceUnavailable)
		return
	}
	claims, err := f.Verify(r.PostFormValue("token"))
	answer := map[string]any{"active": err == nil}
	if err == nil {
		answer["mailbox"] = mailUser
		if claims.User != "" {
			answer["mailbox"] = claims.User
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// A witness keeps a copy of an answer.
type witness struct {
	http.ResponseWriter

	copied bytes.Buffer
}

func (w *witness) Write(p []byte) (int, error) {
	w.copied.Write(p)
	return w.ResponseWriter.Write(p)
}

// serve answers at an address, which it returns, with a certificate of the authority.
func (f *tenant) serve(t *testing.T, authority *pki) string {
	t.Helper()
	certificate := authority.Issue(t, testenv.Template(fakeentra.Host, fakeentra.Host), testenv.RSAKey(t, 1))
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: testenv.Patience, Handler: f.watched()}
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the fake Entra ended with %v", err)
		}
	})
	t.Cleanup(func() {
		_ = server.Close()
		ended.Wait()
	})
	return listener.Addr().String()
}

// watched is what answers requests, and remembers every token that it gives.
func (f *tenant) watched() http.Handler {
	handler := f.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &witness{ResponseWriter: w}
		handler.ServeHTTP(seen, r)
		f.keep(seen.copied.Bytes())
	})
}

// keep remembers the tokens in an answer.
func (f *tenant) keep(answer []byte) {
	var tokens map[string]any
	if json.Unmarshal(answer, &tokens) != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		if token, is := tokens[name].(string); is {
			f.issued = append(f.issued, token)
		}
	}
}

func (f *tenant) tokens() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.issued)
}

// hashes are those of passwords by `tlslift password`, which are made once.
var hashes = sync.OnceValues(func() (map[account]string, error) {
	bin, err := program()
	if err != nil {
		return nil, err
	}
	made := map[account]string{}
	for _, a := range []account{copierAccount, tillAccount, boundAccount, strangerAccount} {
		cmd := exec.Command(bin, "password")
		cmd.Stdin = strings.NewReader(a.password + "\n")
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("tlslift password: %w", err)
		}
		made[a] = strings.TrimSpace(string(out))
	}
	return made, nil
})

// A signInLift is tlslift that signs in, between clients that know a password and
// servers that take tokens.
type signInLift struct {
	*mailLift
	tenant *tenant
}

// signInFile is a sign-in file; words in capitals are filled in.
const signInFile = `
tenant: contoso.onmicrosoft.com
application: {id: APPLICATION, secret_file: DIR/app-secret}
mailboxes:
  - address: ` + mailUser + `
    logins:
      - {name: copier1, password: COPIER}
      - {name: oldscanner, secret_file: DIR/scanner-secret, clients: [` + cramClient + `]}
      - {name: copier7, password: BOUND, clients: [` + boundClient + `]}
    clients: [` + mappedClient + `]
    senders: [` + mailUser + `]
    sessions: 50
    messages_per_minute: 10000
  - address: ` + tillMailbox + `
    delegated: true
    logins: [{name: till-4, password: TILL}]
  - address: ` + strangerMailbox + `
    logins: [{name: stranger, password: STRANGER}]
`

// writeSignInFile fills a sign-in file in, and returns its path.
func writeSignInFile(t *testing.T, text string) string {
	t.Helper()
	made, err := hashes()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text = strings.NewReplacer("APPLICATION", applicationID, "DIR", dir,
		"COPIER", made[copierAccount], "BOUND", made[boundAccount], "TILL", made[tillAccount], "STRANGER", made[strangerAccount]).Replace(text)
	for name, content := range map[string]string{
		"signin.yaml": text, "app-secret": applicationSecret, "scanner-secret": scannerAccount.password,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "signin.yaml")
}

// signInServers are servers that take only tokens, and the Entra that gives them.
type signInServers struct {
	*mailServer
	tenant *tenant
	entra  string // its address
}

func startSignInServers(t *testing.T) *signInServers {
	t.Helper()
	needMailServer(t)
	f := newTenant(t)
	s := startMailServer(t, mailOptions{Introspection: f.introspection})
	for _, mailbox := range []string{mailUser, passwordUser, tillMailbox} {
		s.put(mailbox, storedMail)
	}
	return &signInServers{s, f, f.serve(t, s.pki)}
}

// lift runs tlslift with a sign-in file.
func (s *signInServers) lift(t *testing.T, file string, settings ...string) *signInLift {
	t.Helper()
	return s.liftAs(t, nil, file, settings...)
}

// liftAs runs it under another program.
func (s *signInServers) liftAs(t *testing.T, wrapper []string, file string, settings ...string) *signInLift {
	t.Helper()
	return &signInLift{tenant: s.tenant, mailLift: startMailAs(t, wrapper, s.mailServer, append([]string{
		"TLSLIFT_SIGNIN_FILE=" + writeSignInFile(t, file),
		"TLSLIFT_CONNECT_TO=" + s.connectTo() + "," + fakeentra.Host + ":443=" + s.entra,
	}, settings...)...)}
}

// startSignIn runs the servers, Entra and tlslift.
func startSignIn(t *testing.T, file string, settings ...string) *signInLift {
	t.Helper()
	return startSignInServers(t).lift(t, file, settings...)
}

// as changes a call to one by an account.
func (a account) as(c mailCall) mailCall {
	c.user, c.password = a.login, a.password
	return c
}

// call is how a client goes a way and signs in as an account.
func (l *signInLift) call(t *testing.T, w mailWay, level mailLevel, a account) mailCall {
	t.Helper()
	c := a.as(w.call(t, l.mailLift, level))
	c.caFile = l.caFile // it is lifted at every level
	return c
}

// lifted waits for the record of a client that tlslift has signed in, and checks it.
func (l *signInLift) lifted(t *testing.T, w mailWay, level mailLevel, login string) {
	t.Helper()
	rule := level.why
	if rule == modern.why {
		rule = "sign_in"
	}
	rec := l.record(t, map[string]string{
		"outcome": "lifted", "protocol": w.protocol, "offered": level.offered, "rule": rule, "reason": "",
		"destination": net.JoinHostPort(mailPorts[w.upstream], fmt.Sprint(w.upstream)), "mailbox": mailUser, "login": login,
	})
	if upstream, _ := rec["upstream_tls"].(string); !strings.HasPrefix(upstream, "TLS 1.3") {
		t.Errorf("the destination's TLS is %q", upstream)
	}
}

// goes carries out a call that must succeed.
func (l *signInLift) goes(t *testing.T, client string, c mailCall, w mailWay, level mailLevel) {
	t.Helper()
	out, err := mailClients[client](t, c)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, end(out), end(l.log()))
	}
	l.servers.done(t, c, out)
	l.lifted(t, w, level, c.user)
}
