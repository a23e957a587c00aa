package entra_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// However a token is printed, its value does not show.
func TestTokenDoesNotShow(t *testing.T) {
	t.Parallel()
	made := entra.Token{Value: "eyJ-the-token", Roles: []string{"SMTP.Send"}}
	inside := struct {
		Token   entra.Token
		Pointer *entra.Token
		List    []entra.Token
	}{made, &made, []entra.Token{made}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		for _, value := range []any{made, &made, inside, inside.List} {
			fmt.Fprintf(&out, verb, value)
		}
	}
	for _, value := range []any{made, &made, inside} {
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(encoded)
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("x", "token", value)
		}
	}
	for _, form := range []string{made.Value, fmt.Sprintf("%x", made.Value), fmt.Sprintf("%X", made.Value)} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the token shows as %q in %s", form, out.String())
		}
	}
	if !strings.Contains(out.String(), "[token]") {
		t.Error("nothing was written: the test looks at the wrong thing")
	}
}

// secretFields are those of a request whose values nobody may see.
var secretFields = []string{"client_secret", "client_assertion", "refresh_token", "device_code"}

// No error has a secret, a token or an assertion in it, whatever Entra answers: here
// it sends back all that it was sent, where an answer has room for it.
func TestErrorsHaveNoSecrets(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 400, 401, 403, 429, 500} {
		for _, form := range []string{
			"%s", `{"error":"invalid_grant","error_description":%q}`, `{"error":%q}`,
			`{"access_token":%q,"expires_in":"x"}`, `{"token_type":%q,"expires_in":1}`,
		} {
			synctest.Test(t, func(t *testing.T) { echoes(t, status, form) })
		}
	}
}

// echoes lets Entra answer with what it was sent, in a form.
func echoes(t *testing.T, status int, form string) {
	w := newWorld(t)
	c := w.config(t)
	leaf, file := certificate(t, w)
	w.Change(application, func(a *fakeentra.Application) { a.Certificate = leaf })
	withCertificate := c
	withCertificate.SecretFile, withCertificate.CertificateFile = "", file
	signedIn(t, w, w.source(t, c))
	w.before = func() {
		w.mu.Lock()
		body := w.bodies[len(w.bodies)-1]
		w.mu.Unlock()
		w.SetTrouble(fakeentra.Trouble{Status: status, Body: fmt.Sprintf(form, body)})
	}
	texts := ""
	for _, ask := range []struct {
		config entra.Config
		id     entra.Identity
	}{{c, smtp}, {withCertificate, smtp}, {c, shared}} {
		w.SetTrouble(fakeentra.Trouble{})
		_, err := w.source(t, ask.config).Token(t.Context(), ask.id)
		if err == nil {
			t.Errorf("%d %s: no error", status, form)
		}
		texts += fmt.Sprintf("%v %+v %#v\n", err, err, err)
	}
	for _, body := range w.bodies {
		fields, err := url.ParseQuery(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range secretFields {
			if value := fields.Get(name); value != "" && strings.Contains(texts, value) {
				t.Errorf("%d %s: %s shows in %s", status, form, name, texts)
			}
		}
	}
	for _, part := range []string{"eyJ", "client_secret", "refresh_token="} {
		if strings.Contains(texts, part) {
			t.Errorf("%d %s: %s shows in %s", status, form, part, texts)
		}
	}
}

// A Source that somebody prints shows nothing that it has.
func TestSourceDoesNotShow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.source(t, w.config(t))
	got := token(t, s, smtp)
	printed := fmt.Sprintf("%v %+v %#v %v %+v", s, s, s, s.States(), w.config(t))
	for _, hidden := range []string{secret, got.Value, got.Value[:20]} {
		if strings.Contains(printed, hidden) {
			t.Errorf("%q shows in %s", hidden, printed)
		}
	}
}

// redirecting sends every request for a token to another host.
type redirecting struct {
	*world
	others []string
}

func (r *redirecting) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Host != fakeentra.Host {
		r.others = append(r.others, request.URL.Host)
	}
	answer, err := r.world.RoundTrip(request)
	if err == nil && request.Method == http.MethodPost {
		answer.StatusCode = http.StatusTemporaryRedirect
		answer.Header.Set("Location", "https://other.example/")
	}
	return answer, err
}

// A redirect would carry the secret to another host.
func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config(t)
	network := &redirecting{world: w}
	c.HTTP = &http.Client{Transport: network}
	_, err := w.source(t, c).Token(t.Context(), smtp)
	wantReason(t, err, record.ReasonEntraFailed)
	if len(network.others) > 0 {
		t.Errorf("the secret went to %s", network.others)
	}
}

// overTLS returns a source that reaches a fake Entra over TLS.
func overTLS(t *testing.T, fake *fakem365.Service, w *world) *entra.Source {
	t.Helper()
	server, err := w.Serve(fake, fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := w.config(t)
	c.HTTP = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: fake.Roots(), MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != fakeentra.Host+":443" {
				return nil, fmt.Errorf("%s is dialled", address)
			}
			return (&net.Dialer{}).DialContext(ctx, network, server.Addr())
		},
	}}
	s, err := entra.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// This test is not parallel: it counts the goroutines of the whole process.
func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	fake := testenv.FakeM365(t)
	w := newWorld(t)
	s := overTLS(t, fake, w)
	first := token(t, s, smtp)
	if _, err := w.Verify(first.Value); err != nil {
		t.Error(err)
	}
	w.SetTrouble(fakeentra.Trouble{Reset: true})
	if _, err := s.Renew(t.Context(), smtp, first); err == nil {
		t.Error("no error of a connection that is reset")
	}
	other := overTLS(t, fake, w)
	hold := make(chan struct{})
	w.SetTrouble(fakeentra.Trouble{Hold: hold})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := other.Token(ctx, smtp); err == nil { // its request goes on
		t.Error("no error for a caller that has gone")
	}
	for _, source := range []*entra.Source{s, other} {
		if err := source.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(hold)
	fake.Close()
	testenv.AwaitGoroutines(t, before)
}

// misleading is a network on which Entra says that another host gives the tokens.
type misleading struct {
	world *world
	host  string
	asked []string // of other hosts
}

func (e *misleading) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "login.microsoftonline.com" || r.URL.Scheme != "https" {
		e.asked = append(e.asked, r.URL.String())
	}
	answer, err := e.world.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(answer.Body)
	answer.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(content), "https://login.microsoftonline.com", e.host)))
	return answer, err
}

// The secret goes to Entra only, whatever an answer says.
func TestSecretGoesToEntraOnly(t *testing.T) {
	t.Parallel()
	for _, host := range []string{
		"https://login.example.com", "http://login.microsoftonline.com", "https://login.microsoftonline.com.example.com",
	} {
		w := newWorld(t)
		e := &misleading{world: w, host: host}
		c := w.config(t)
		c.HTTP = &http.Client{Transport: e}
		if _, err := w.source(t, c).Token(t.Context(), smtp); err == nil || len(e.asked) > 0 {
			t.Errorf("%s: asked %q, %v", host, e.asked, err)
		}
	}
}
