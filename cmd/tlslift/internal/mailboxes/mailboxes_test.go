package mailboxes

import (
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics/tenant"
	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/signin"
)

// load reads a sign-in file of an application with a secret.
func load(t *testing.T, application, mailboxes string) *signin.Config {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"secret": "app-secret",
		"signin.yaml": "tenant: contoso.onmicrosoft.com\napplication: {id: 11111111-2222-3333-4444-555555555555, secret_file: " +
			filepath.Join(dir, "secret") + application + "}\nmailboxes: [" + mailboxes + "]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := signin.Load(filepath.Join(dir, "signin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// unreachable reaches no server.
type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }

func newService(t *testing.T, file *signin.Config) *Service {
	t.Helper()
	nobody := &http.Client{Transport: unreachable{}}
	observer := Observer{Log: slog.New(slog.DiscardHandler), Count: func(record.Reason, time.Duration) {}}
	s, err := New(&settings.Config{StateDir: t.TempDir()}, file, nobody, observer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s
}

// replace puts another file into force.
func replace(s *Service, file *signin.Config) error {
	commit, _, err := s.Prepare(&settings.Config{}, file)
	if err != nil {
		return err
	}
	commit()
	return nil
}

// The day on which the secret expires is no reason to ask for all tokens anew.
func TestReplaceKeepsTheTokens(t *testing.T) {
	t.Parallel()
	const box = "{address: scan@contoso.com, clients: [10.0.0.1]}"
	file := load(t, "", box)
	s := newService(t, file)
	before := s.Source()
	for _, day := range []string{"2027-11-01", "2028-11-01"} {
		later := *load(t, ", expires: "+day, box)
		later.Application.SecretFile = file.Application.SecretFile // the two have directories of their own
		if err := replace(s, &later); err != nil || s.Source() != before || s.File().Application.Expires.IsZero() {
			t.Errorf("%s: %v, the tokens stay: %v", day, err, s.Source() == before)
		}
	}
	if err := replace(s, load(t, "", box)); err != nil || s.Source() == before {
		t.Errorf("another secret: %v, the tokens stay: %v", err, s.Source() == before)
	}
	if s.Keeper.Mapped(signin.Client{Addr: netip.MustParseAddr("10.0.0.1")}) == nil {
		t.Error("the client has no mailbox")
	}
}

// A stalled reaches a server that does not answer its first request, and no other one.
type stalled struct{ requests chan struct{} }

// RoundTrip implements http.RoundTripper.
func (s stalled) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case s.requests <- struct{}{}: // the first
		<-r.Context().Done()
		return nil, r.Context().Err()
	default:
		return nil, syscall.ECONNREFUSED
	}
}

// A request for a token that is under way when another application takes the place of
// the one before asks with that one.
func TestReplaceUnderWay(t *testing.T) {
	t.Parallel()
	const box = "{address: scan@contoso.com, clients: [10.0.0.1]}"
	s := newService(t, load(t, "", box))
	way := stalled{make(chan struct{}, 1)}
	s.http.Transport = way
	if err := replace(s, load(t, "", box)); err != nil { // one that goes this way
		t.Fatal(err)
	}
	reason := make(chan record.Reason, 1)
	go func() {
		_, err := s.Token(t.Context(), entra.Identity{Mailbox: "scan@contoso.com", Protocol: record.ProtocolSMTP})
		var f *record.Failure
		if !errors.As(err, &f) {
			f = record.Fail(record.ReasonInternal, err)
		}
		reason <- f.Reason
	}()
	for len(way.requests) == 0 {
		runtime.Gosched()
	}
	if err := replace(s, load(t, "", box)); err != nil {
		t.Fatal(err)
	}
	if got := <-reason; got != record.ReasonEntraUnreachable {
		t.Errorf("the request ends with %s, and not with what the new source finds", got)
	}
}

// What is shown is what the file in force has: a mailbox that is gone takes the failure
// of its token with it, and one that stays does not.
func TestState(t *testing.T) {
	t.Parallel()
	const application, person = "{address: scan@contoso.com, sessions: 2, clients: [10.0.0.1]}",
		"{address: fax@contoso.com, delegated: true, user: Jane@contoso.com, clients: [10.0.0.2]}"
	file := load(t, ", expires: 2027-11-01", application+", "+person)
	s := newService(t, file)
	for _, m := range file.Mailboxes() {
		id := entra.Identity{Mailbox: m.Address, User: m.User, Delegated: m.Delegated, Protocol: record.ProtocolSMTP}
		if _, err := s.Token(t.Context(), id); err == nil {
			t.Fatalf("%s: a token of nobody", m.Address)
		}
	}
	mapped := s.Keeper.Mapped(signin.Client{Addr: netip.MustParseAddr("10.0.0.1")})
	if _, err := s.Keeper.Enter(t.Context(), mapped, signin.Client{}); err != nil {
		t.Fatal(err)
	}
	state := s.State()
	want := tenant.State{
		Tenant:     "contoso.onmicrosoft.com",
		Credential: tenant.Credential{Kind: "secret", Expires: time.Date(2027, 11, 1, 0, 0, 0, 0, time.UTC)},
		Mailboxes: []tenant.Mailbox{
			{Address: "scan@contoso.com", Sessions: 1, MaxSessions: 2}, {Address: "fax@contoso.com", MaxSessions: 3},
		},
	}
	if state.Tenant != want.Tenant || state.Credential != want.Credential || !reflect.DeepEqual(state.Mailboxes, want.Mailboxes) {
		t.Errorf("got %+v, want %+v", state, want)
	}
	wantReasons(t, state, map[string]record.Reason{
		"application": record.ReasonEntraUnreachable, "delegated": record.ReasonDelegatedLoginMissing,
	})
	less := load(t, "", application)
	less.Application.SecretFile = file.Application.SecretFile
	if err := replace(s, less); err != nil {
		t.Fatal(err)
	}
	wantReasons(t, s.State(), map[string]record.Reason{"application": record.ReasonEntraUnreachable})
	if got := s.State().Credential; !got.Expires.IsZero() {
		t.Errorf("the credential is %+v", got)
	}
}

func wantReasons(t *testing.T, state tenant.State, want map[string]record.Reason) {
	t.Helper()
	got := map[string]record.Reason{}
	for _, token := range state.Tokens {
		got[token.Kind()] = token.Reason
		if token.Detail == "" || token.Failed.IsZero() || !token.Expires.IsZero() {
			t.Errorf("the token is %+v", token)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("tokens fail with %v, want %v", got, want)
	}
}

// Without a sign-in there is nothing to show.
func TestNoState(t *testing.T) {
	t.Parallel()
	var none *Service
	if state := none.State(); state.Tenant != "" || state.Mailboxes != nil || state.Tokens != nil {
		t.Errorf("got %+v", state)
	}
}
