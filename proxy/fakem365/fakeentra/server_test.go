package fakeentra_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const (
	application = "11111111-2222-3333-4444-555555555555"
	secret      = "right"
	user        = "delegate@contoso.example"
)

func newServer(t testing.TB, o fakeentra.Options) *fakeentra.Server {
	t.Helper()
	o.Key = testenv.RSAKey(t, 0)
	o.Applications = []fakeentra.Application{{
		ID: application, Secret: secret, Public: true, Roles: []string{"SMTP.SendAsApp"}, Scopes: []string{"SMTP.Send"},
	}}
	s, err := fakeentra.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// client returns an HTTP client that reaches the server over TLS by Entra's name.
func client(t *testing.T, s *fakeentra.Server) *http.Client {
	t.Helper()
	c, _ := clientAndServer(t, s)
	return c
}

// clientAndServer is client, with the server that it reaches.
func clientAndServer(t *testing.T, s *fakeentra.Server) (*http.Client, *fakem365.Server) {
	t.Helper()
	fake := testenv.FakeM365(t)
	server, err := s.Serve(fake, fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	through := testenv.Direct(fake, server)
	transport := &http.Transport{DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		return through.Dial(ctx, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, server
}

// A request that is held ends with the server, and with the client's connection, whether it
// has a body or none.
func TestHeldRequestsEnd(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"", "client_id=" + application, "x=" + strings.Repeat("a", 60<<10)} {
		for _, leaves := range []bool{false, true} {
			entra := newServer(t, fakeentra.Options{Tenant: "contoso.example"})
			c, server := clientAndServer(t, entra)
			entra.SetTrouble(fakeentra.Trouble{Hold: make(chan struct{})})
			ctx, leave := context.WithTimeout(t.Context(), testenv.Patience)
			r, err := http.NewRequestWithContext(ctx, http.MethodPost,
				"https://"+fakeentra.Host+"/contoso.example/oauth2/v2.0/token", strings.NewReader(form))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			var asking sync.WaitGroup
			asking.Go(func() {
				if answer, err := c.Do(r); err == nil {
					_ = answer.Body.Close()
					t.Error("a request that is held was answered")
				}
			})
			for entra.Counts().Token == 0 && ctx.Err() == nil {
				runtime.Gosched()
			}
			if leaves {
				leave()
			}
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				server.Close()
			}()
			select {
			case <-closed:
			case <-time.After(testenv.Patience):
				t.Fatalf("the server waits for a request of %d bytes that is held", len(form))
			}
			leave()
			asking.Wait()
		}
	}
}

// ask sends a form, or gets a page without one, and returns the status and the JSON.
func ask(t *testing.T, c *http.Client, path, form string) (int, map[string]any) {
	t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != "" {
		method, body = http.MethodPost, strings.NewReader(form)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+fakeentra.Host+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var content map[string]any
	decoder := json.NewDecoder(answer.Body)
	decoder.UseNumber()
	if err := decoder.Decode(&content); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, content
}

func text(content map[string]any, name string) string { return fmt.Sprint(content[name]) }

const tokens = "/contoso.onmicrosoft.com/oauth2/v2.0/token"

func form(fields ...string) string {
	values := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return values.Encode()
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	s := newServer(t, fakeentra.Options{})
	c := client(t, s)
	_, found := ask(t, c, "/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration", "")
	where, err := url.Parse(text(found, "token_endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	for code, fields := range map[string][]string{
		"":        {"client_id", application, "client_secret", secret},
		"700016":  {"client_id", "other", "client_secret", secret},
		"7000215": {"client_id", application, "client_secret", "wrong"},
		"7000218": {"client_id", application},
		"70011":   {"client_id", application, "client_secret", secret, "scope", "https://outlook.office365.com/SMTP.SendAsApp"},
		"500011":  {"client_id", application, "client_secret", secret, "scope", "https://graph.example/.default"},
		"700027": {"client_id", application, "client_assertion", "a.b.c", "client_assertion_type",
			"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	} {
		all := append([]string{"grant_type", "client_credentials", "scope", "https://outlook.office365.com/.default openid"}, fields...)
		status, content := ask(t, c, where.Path, form(all...))
		if code == "" {
			claims, err := s.Verify(text(content, "access_token"))
			if status != http.StatusOK || err != nil || claims.Application != application || claims.Audience != "https://outlook.office365.com" {
				t.Errorf("status %d, claims %+v, error %v", status, claims, err)
			}
			continue
		}
		isText := strings.HasPrefix(text(content, "error_description"), "AADSTS"+code+": ")
		if text(content, "error_codes") != "["+code+"]" || !isText || status < 400 {
			t.Errorf("%s: status %d, %v", code, status, content)
		}
	}
	_, content := ask(t, c, "/else.example/oauth2/v2.0/token", form("client_id", application))
	if text(content, "error_codes") != "[90002]" {
		t.Errorf("another tenant: %v", content)
	}
	if got := s.Counts(); got.Token != 8 || got.Discovery != 1 {
		t.Errorf("counts %+v", got)
	}
}

func TestDeviceCode(t *testing.T) {
	t.Parallel()
	s := newServer(t, fakeentra.Options{})
	c := client(t, s)
	begin := func() (code, userCode string) {
		_, content := ask(t, c, "/contoso.onmicrosoft.com/oauth2/v2.0/devicecode", form("client_id", application, "scope", "x"))
		return text(content, "device_code"), text(content, "user_code")
	}
	poll := func(code string) map[string]any {
		_, content := ask(t, c, tokens, form("grant_type", "urn:ietf:params:oauth:grant-type:device_code", "client_id", application,
			"device_code", code, "scope", "https://outlook.office.com/SMTP.Send offline_access"))
		return content
	}
	want := func(content map[string]any, name string) {
		t.Helper()
		if text(content, "error") != name {
			t.Errorf("%v, want %s", content, name)
		}
	}
	want(poll("none"), "bad_verification_code")
	for name, decide := range map[string]func(string) error{
		"slow_down": s.SlowDown, "authorization_declined": s.Decline, "expired_token": s.Expire,
	} {
		code, userCode := begin()
		want(poll(code), "authorization_pending")
		if err := decide(userCode); err != nil {
			t.Error(err)
		}
		want(poll(code), name)
	}
	code, userCode := begin()
	if err := s.Approve(userCode, user); err != nil {
		t.Fatal(err)
	}
	first := poll(code)
	claims, err := s.Verify(text(first, "access_token"))
	if err != nil || claims.User != user || fmt.Sprint(claims.Permissions) != "[SMTP.Send]" {
		t.Errorf("claims %+v, error %v", claims, err)
	}
	want(poll(code), "bad_verification_code") // it serves once

	renew := func(token, scope string) map[string]any {
		_, content := ask(t, c, tokens, form("grant_type", "refresh_token", "client_id", application, "refresh_token", token, "scope", scope))
		return content
	}
	old := text(first, "refresh_token")
	second := renew(old, "https://outlook.office.com/SMTP.Send")
	if text(second, "refresh_token") == old || second["access_token"] == nil {
		t.Errorf("renewed: %v", second)
	}
	if got := renew(old, "https://outlook.office.com/POP.AccessAsUser.All"); text(got, "error_codes") != "[65001]" {
		t.Errorf("without consent: %v", got)
	}
	s.RevokeLogins(user)
	if got := renew(old, "https://outlook.office.com/SMTP.Send"); text(got, "error_codes") != "[50173]" {
		t.Errorf("revoked: %v", got)
	}
	if got := renew("other", "https://outlook.office.com/SMTP.Send"); text(got, "error_codes") != "[700082]" {
		t.Errorf("unknown: %v", got)
	}
	if s.Approve("NONE", user) == nil {
		t.Error("a user code that does not exist was approved")
	}
}

// A token is good until it ends, is revoked or was made by somebody else.
func TestVerify(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newServer(t, fakeentra.Options{Now: func() time.Time { return now }})
	c := client(t, s)
	get := func() string {
		_, content := ask(t, c, tokens, form("grant_type", "client_credentials", "client_id", application, "client_secret", secret,
			"scope", "https://outlook.office365.com/.default"))
		return text(content, "access_token")
	}
	first := get()
	if err := s.Rotate(testenv.RSAKey(t, 1)); err != nil {
		t.Fatal(err)
	}
	second := get()
	for _, token := range []string{first, second} {
		if _, err := s.Verify(token); err != nil {
			t.Error(err)
		}
	}
	_, content := ask(t, c, "/contoso.onmicrosoft.com/discovery/v2.0/keys", "")
	keys, _ := content["keys"].([]any)
	if len(keys) != 2 {
		t.Fatalf("keys %v", content)
	}
	newest, _ := keys[1].(map[string]any)
	n, err := base64.RawURLEncoding.DecodeString(text(newest, "n"))
	if err != nil || new(big.Int).SetBytes(n).Cmp(testenv.RSAKey(t, 1).N) != 0 {
		t.Error("the newest key is another")
	}
	forged, err := fakeentra.Sign(testenv.RSAKey(t, 2), map[string]any{"exp": now.Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	s.Revoke(first)
	changed := second[:len(second)-8] + "AAAAAAAA"
	for _, token := range []string{first, forged, changed, "", "a.b.c", strings.Repeat("x", 1<<20)} {
		if _, err := s.Verify(token); err == nil {
			t.Errorf("%.20q is good", token)
		}
	}
	now = now.Add(61 * time.Minute)
	if _, err := s.Verify(second); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("error %v", err)
	}
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	s := newServer(t, fakeentra.Options{})
	c := client(t, s)
	s.SetTrouble(fakeentra.Trouble{Code: 7000222, RetryAfter: "5", Skew: time.Hour})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+fakeentra.Host+tokens, strings.NewReader("a=b"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	at, err := http.ParseTime(answer.Header.Get("Date"))
	isRefused := answer.Header.Get("Retry-After") == "5" && answer.StatusCode == http.StatusUnauthorized
	if err != nil || time.Until(at) < 59*time.Minute || !isRefused {
		t.Errorf("status %d, headers %v", answer.StatusCode, answer.Header)
	}
	s.SetTrouble(fakeentra.Trouble{Reset: true})
	if again, err := c.Do(r.Clone(t.Context())); err == nil {
		again.Body.Close()
		t.Error("the connection was not broken off")
	}
}

// Whatever is shown as a token, nobody gets in without a signature.
func FuzzVerify(f *testing.F) {
	s := newServer(f, fakeentra.Options{})
	stranger, err := fakeentra.Sign(testenv.RSAKey(f, 1), map[string]any{"exp": 1 << 40, "tid": "x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stranger)
	f.Add("e30.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if claims, err := s.Verify(token); err == nil {
			t.Errorf("%q is good: %+v", token, claims)
		}
	})
}
