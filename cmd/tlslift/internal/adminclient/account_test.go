package adminclient

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics/webconfig"
)

const rightPassword = "correct horse"

// protected serves with a web configuration file that has one user, and counts the
// requests. It returns a client for it, with a file for the password.
func protected(t *testing.T, open func(path string) bool) (c *Client, requests *atomic.Int32) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(rightPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "web.yml"), "basic_auth_users:\n  jane: "+string(hash)+"\n", 0o600)
	write(t, filepath.Join(dir, "password"), rightPassword+"\n", 0o600)
	file, err := webconfig.Open(filepath.Join(dir, "web.yml"), webconfig.Options{Log: slog.New(slog.DiscardHandler), IsOpen: open})
	if err != nil {
		t.Fatal(err)
	}
	requests = new(atomic.Int32)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	served := make(chan error, 1)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateActive {
			requests.Add(1)
		}
	}
	go func() { served <- file.Serve(server.Listener, server.Config) }()
	t.Cleanup(func() {
		_ = server.Config.Close()
		<-served
	})
	return &Client{
		Address: settings.Address(server.Listener.Addr().String()), WebConfigFile: filepath.Join(dir, "web.yml"),
		Account: Account{User: "jane", PasswordFile: filepath.Join(dir, "password")},
	}, requests
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// The commands sign in where a password is asked for; the next question brings it at once.
func TestSignsIn(t *testing.T) {
	t.Parallel()
	c, requests := protected(t, nil)
	for range 2 {
		if text, err := c.Ask(t.Context(), Question{Path: "/api/v1/clients"}); err != nil || string(text) != "{}" {
			t.Fatalf("got %s, %v", text, err)
		}
	}
	if text, err := c.Ask(t.Context(), Question{Method: http.MethodDelete, Path: "/api/v1/clients/a"}); err != nil || string(text) != "{}" {
		t.Errorf("got %s, %v", text, err)
	}
	if _, err := c.Health(t.Context()); err != nil {
		t.Error(err)
	}
	if n := requests.Load(); n != 5 {
		t.Errorf("%d requests for 4 questions, want one more", n)
	}
}

// An address on another machine that asks for a password without TLS gets none.
func TestGivesNoPasswordAway(t *testing.T) {
	t.Parallel()
	c, requests := protected(t, nil)
	c.isHere = func(net.Addr, net.Addr) bool { return false }
	for _, ask := range []func() error{
		func() error { _, err := c.Ask(t.Context(), Question{Path: "/"}); return err },
		func() error { _, err := c.Health(t.Context()); return err },
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), "the password would cross the network without TLS: add tls_server_config") {
			t.Errorf("got %v", err)
		}
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests, want only the one without the password", n)
	}
}

// What is asked for no password gets none.
func TestGivesNoPasswordWithoutNeed(t *testing.T) {
	t.Parallel()
	var header atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header.Store(r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(server.Close)
	c := &Client{Address: settings.Address(server.Listener.Addr().String()), Account: Account{User: "jane", PasswordFile: "/absent"}}
	if _, err := c.Ask(t.Context(), Question{Path: "/"}); err != nil || header.Load() != "" {
		t.Errorf("got %v, sent %q", err, header.Load())
	}
}

// Each mistake is named with its setting, and nothing of a password is in an error.
func TestSignInErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		password string
		mode     os.FileMode
		user     string
		want     string
	}{
		"no user":        {rightPassword, 0o600, "", "set TLSLIFT_ADMIN_USER to a user of the file of TLSLIFT_ADMIN_WEB_CONFIG_FILE"},
		"wrong password": {"wrong horse", 0o600, "jane", "it does not take the user jane"},
		"wrong user":     {rightPassword, 0o600, "joe", "it does not take the user joe"},
		"for everybody":  {rightPassword, 0o644, "jane", "TLSLIFT_ADMIN_PASSWORD_FILE: "},
		"empty":          {"\n", 0o600, "jane", "must have one line with the password of jane"},
		"two lines":      {"wrong\nhorse\n", 0o600, "jane", "must have one line with the password of jane"},
		"too long":       {strings.Repeat("horse", 1000), 0o600, "jane", "more than 4096 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := protected(t, nil)
			write(t, c.Account.PasswordFile, test.password, test.mode)
			c.Account.User = test.user
			_, err := c.Ask(t.Context(), Question{Path: "/api/v1/clients"})
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "horse") ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	c, _ := protected(t, nil)
	c.Account.PasswordFile += ".absent"
	if _, err := c.Health(t.Context()); err == nil || !strings.Contains(err.Error(), "TLSLIFT_ADMIN_PASSWORD_FILE: cannot read") {
		t.Errorf("no file: got %v", err)
	}
}

// The health check needs no password: a wrong one does not make the service unhealthy.
func TestHealthWithoutAPassword(t *testing.T) {
	t.Parallel()
	c, _ := protected(t, func(path string) bool { return path == "/readyz" })
	c.Account.PasswordFile += ".absent"
	if text, err := c.Health(t.Context()); err != nil || text != "{}" {
		t.Errorf("got %q, %v", text, err)
	}
}

// A password without TLS stays on the machine.
func TestPasswordStaysHere(t *testing.T) {
	t.Parallel()
	at := func(s string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, test := range []struct {
		local, remote string
		want          bool
	}{
		{"127.0.0.1:40000", "127.0.0.1:9465", true},
		{"127.0.0.1:40000", "127.0.0.2:9465", true},
		{"[::1]:40000", "[::1]:9465", true},
		{"192.168.1.5:40000", "192.168.1.5:9465", true},
		{"192.168.1.5:40000", "192.168.1.6:9465", false},
		{"[fd00::1]:40000", "[fd00::2]:9465", false},
	} {
		if got := isHere(at(test.local), at(test.remote)); got != test.want {
			t.Errorf("%s to %s: got %v", test.local, test.remote, got)
		}
	}
	if isHere(&net.UnixAddr{}, &net.UnixAddr{}) {
		t.Error("what is no address is here")
	}
}
