package entra_test

import (
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const (
	tenant      = "contoso.onmicrosoft.com"
	application = "11111111-2222-3333-4444-555555555555"
	secret      = "the-Secret~of.the_application"
	person      = "delegate@contoso.example"
	mailbox     = "scan@contoso.example"
)

var smtp = entra.Identity{Mailbox: mailbox, Protocol: record.ProtocolSMTP}

// A world is a fake Entra in process, so that synctest's clock is that of both.
type world struct {
	*fakeentra.Server

	dir string

	mu       sync.Mutex
	bodies   []string // of requests
	requests []record.Reason
	lost     []error
	before   func() // called before a token is requested; nil calls nothing
}

func newWorld(t *testing.T) *world {
	t.Helper()
	fake, err := fakeentra.New(fakeentra.Options{Key: testenv.RSAKey(t, 0), Applications: []fakeentra.Application{{
		ID: application, Secret: secret, Public: true,
		Roles:  []string{"SMTP.SendAsApp", "IMAP.AccessAsApp"},
		Scopes: []string{"SMTP.Send", "IMAP.AccessAsUser.All", "POP.AccessAsUser.All"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return &world{Server: fake, dir: t.TempDir()}
}

// RoundTrip is the network.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		content, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(content)
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(strings.NewReader(body))
	}
	w.mu.Lock()
	w.bodies = append(w.bodies, body)
	before := w.before
	w.mu.Unlock()
	if before != nil && strings.HasSuffix(r.URL.Path, "/token") {
		before()
	}
	answer := httptest.NewRecorder()
	done := make(chan bool, 1)
	go func() {
		defer func() { done <- recover() == nil }()
		w.Handler().ServeHTTP(answer, r)
	}()
	if !<-done {
		return nil, io.ErrUnexpectedEOF
	}
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	return answer.Result(), nil
}

func (w *world) TokenRequested(reason record.Reason, _ time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, reason)
}

func (w *world) LoginNotStored(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost = append(w.lost, err)
}

// config returns that of an application with a secret.
func (w *world) config(t *testing.T) entra.Config {
	t.Helper()
	file := filepath.Join(w.dir, "secret")
	write(t, file, secret+"\n")
	return entra.Config{
		Tenant: tenant, ApplicationID: application, SecretFile: file, HTTP: &http.Client{Transport: w},
		StateDir: filepath.Join(w.dir, "state"), Observer: w,
	}
}

// source returns one that is closed with the test.
func (w *world) source(t *testing.T, c entra.Config) *entra.Source {
	t.Helper()
	s, err := entra.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func token(t *testing.T, s *entra.Source, id entra.Identity) entra.Token {
	t.Helper()
	got, err := s.Token(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// wantReason wants an error to have a reason, and nothing secret in its text.
func wantReason(t *testing.T, err error, want record.Reason) {
	t.Helper()
	f, is := err.(*record.Failure) // the contract is that it is one
	if !is || f.Reason != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func wantRequests(t *testing.T, w *world, want int) {
	t.Helper()
	if got := w.Counts().Token; got != want {
		t.Errorf("%d token requests, want %d", got, want)
	}
}

// certificate makes a certificate with its PEM file.
func certificate(t *testing.T, w *world) (*x509.Certificate, string) {
	t.Helper()
	key := testenv.RSAKey(t, 1)
	made := testenv.SelfSigned(t, testenv.Template("tlslift"), key)
	file := filepath.Join(w.dir, "app.pem")
	write(t, file, string(testenv.CertificatePEM(made.Leaf))+string(testenv.KeyPEM(t, key)))
	return made.Leaf, file
}

var _ fakem365.Tokens = (*fakeentra.Server)(nil)
