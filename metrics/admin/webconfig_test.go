package admin

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/tlslift/tlslift/metrics/webconfig"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// webConfig writes a web configuration file, with a certificate and key beside
// it, and returns its path.
func webConfig(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	key := testenv.ECDSAKey(t)
	certificate := testenv.SelfSigned(t, testenv.Template("", "tlslift.example"), key).Leaf
	for name, content := range map[string][]byte{
		"web.yml":  []byte(text),
		"cert.pem": testenv.CertificatePEM(certificate),
		"key.pem":  testenv.KeyPEM(t, key),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "web.yml")
}

const withTLS = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"

// withUser lets one user in.
func withUser(t *testing.T, user, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("basic_auth_users:\n  %s: %s\n", user, hash)
}

// openWeb opens a web configuration file; an empty path is none.
func openWeb(t *testing.T, file string) *webconfig.File {
	t.Helper()
	config, err := webconfig.Open(file, webconfig.Options{IsOpen: IsHealth, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// serveWeb serves the admin address with a web configuration file until the
// test ends.
func serveWeb(t *testing.T, file string) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := openWeb(t, file)
	server := NewServer(NewHandler(Options{Metrics: stub("metrics"), Ready: ready, Changes: changes, WebConfig: config}))
	var running sync.WaitGroup
	running.Go(func() {
		if err := Serve(ln, server, config); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		_ = server.Close()
		_ = ln.Close()
		running.Wait()
	})
	return ln.Addr().String()
}

// status is that of an answer; zero if there is none.
func status(t *testing.T, cfg *tls.Config, url, password string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		request.SetBasicAuth("prometheus", password)
	}
	response, err := (&http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestAdminWithTLSAndPassword(t *testing.T) {
	t.Parallel()
	file := webConfig(t, withTLS+withUser(t, "prometheus", "right"))
	if err := webconfig.Check(file); err != nil {
		t.Fatal(err)
	}
	secure, err := webconfig.ClientTLS(file)
	if err != nil || secure == nil {
		t.Fatal(secure, err)
	}
	address := serveWeb(t, file)
	for password, want := range map[string]int{"": 401, "wrong": 401, "right": 200} {
		if got := status(t, secure, "https://"+address+"/metrics", password); got != want {
			t.Errorf("with password %q: got %d, want %d", password, got, want)
		}
	}
	if got := status(t, nil, "https://"+address+"/metrics", "right"); got != 0 {
		t.Errorf("a client that does not trust the certificate got %d", got)
	}
	if got := status(t, nil, "http://"+address+"/metrics", "right"); got == 200 {
		t.Error("the metrics are served without TLS")
	}
}

func TestAdminWithPasswordAlone(t *testing.T) {
	t.Parallel()
	file := webConfig(t, withUser(t, "prometheus", "right"))
	if secure, err := webconfig.ClientTLS(file); secure != nil || err != nil {
		t.Error(secure, err)
	}
	address := serveWeb(t, file)
	for password, want := range map[string]int{"": 401, "right": 200} {
		if got := status(t, nil, "http://"+address+"/metrics", password); got != want {
			t.Errorf("with password %q: got %d, want %d", password, got, want)
		}
		if got := status(t, nil, "http://"+address+"/readyz", password); got != 200 {
			t.Errorf("the health check with password %q: got %d", password, got)
		}
	}
}

func TestBadWebConfigs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"tls_server_config:\n  cert_file: absent.pem\n  key_file: key.pem\n", "unknown: 1\n", "basic_auth_users:\n  a: no hash\n",
	} {
		if err := webconfig.Check(webConfig(t, text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	if err := webconfig.Check(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("an absent file is accepted")
	}
	for _, text := range []string{"tls_server_config:\n  cert_file: key.pem\n  key_file: key.pem\n", "tls_server_config: 7\n"} {
		if _, err := webconfig.ClientTLS(webConfig(t, text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
