package main

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHealthcheckFails(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "stopping:\nwait", http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	tests := map[string]struct{ admin, want string }{
		"not ready": {server.Listener.Addr().String(), "not ready: stopping: wait"},
		"not running": {gone.Listener.Addr().String(),
			"is tlslift running with the same TLSLIFT_ADMIN_LISTEN and TLSLIFT_ADMIN_WEB_CONFIG_FILE?"},
		"off": {"", "TLSLIFT_ADMIN_LISTEN is empty"},
	}
	for name, test := range tests {
		got := runWith(t, map[string]string{"TLSLIFT_ADMIN_LISTEN": test.admin}, "healthcheck")
		if got.code != exitFailure || !strings.Contains(got.stderr, test.want) || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%s: got %+v, want %q", name, got, test.want)
		}
	}
	if got := runWith(t, map[string]string{"TLSLIFT_ADMIN_LISTEN": "nothing"}, "healthcheck"); got.code != exitUsage {
		t.Errorf("bad setting: got %+v", got)
	}
}

// The health check reads the same web configuration file as the server.
func TestHealthcheckWithPassword(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	}))
	t.Cleanup(server.Close)
	got := runWith(t, map[string]string{"TLSLIFT_ADMIN_LISTEN": server.Listener.Addr().String()}, "healthcheck")
	if got.code != 0 || !strings.Contains(got.stdout, "asks for a password") {
		t.Errorf("got %+v", got)
	}
	got = runWith(t, map[string]string{"TLSLIFT_ADMIN_WEB_CONFIG_FILE": "/absent/web.yml"}, "healthcheck")
	if got.code != exitUsage || !strings.Contains(got.stderr, "TLSLIFT_ADMIN_WEB_CONFIG_FILE") {
		t.Errorf("got %+v", got)
	}
}

// Behind TLS the health check trusts the certificate of the file alone.
func TestHealthcheckOverTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	}))
	t.Cleanup(server.Close)
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"web.yml":  []byte("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := runWith(t, map[string]string{
		"TLSLIFT_ADMIN_LISTEN":          server.Listener.Addr().String(),
		"TLSLIFT_ADMIN_WEB_CONFIG_FILE": filepath.Join(dir, "web.yml"),
	}, "healthcheck")
	if got.code != 0 || got.stdout != "ok\n" {
		t.Errorf("got %+v", got)
	}
}
