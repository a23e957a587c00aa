package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func needSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals to send to a process")
	}
}

// wantPages asks for what the status page and its neighbours show of a service.
func wantPages(t *testing.T, c *child) {
	t.Helper()
	for path, want := range map[string]string{
		"/": "proxy://127.0.0.1:", "/ca": "fingerprint", "/ca.pem": "BEGIN CERTIFICATE", "/proxy.pac": "outlook.office365.com",
		"/reasons": "client_unknown_ca", "/report": "No client is in this report",
		"/report.csv": "Last mail accepted", "/api/v1/clients": `"clients":[]`, "/api/v1/connections": `"connections":[]`,
	} {
		if code, body := c.get(path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

// TestServe is a first start with nothing configured but free ports.
func TestServe(t *testing.T) {
	t.Parallel()
	needSignals(t)
	c := newChild(t)
	c.start()
	c.started()
	ca := c.record("certificate authority")
	c.record("started")
	if code, body := c.get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, body)
	}
	_, body := c.get("/metrics")
	for _, want := range []string{
		"tlslift_build_info{", "tlslift_ca_not_after_timestamp_seconds ", "tlslift_certificates_issued_total 0", "go_goroutines ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	wantPages(t, c)
	wantCA(t, ca, true)
	health := runWith(t, map[string]string{"TLSLIFT_ADMIN_LISTEN": strings.TrimPrefix(c.admin, "http://")}, "healthcheck")
	if health.code != exitOK || health.stdout != "ok\n" {
		t.Errorf("healthcheck: %+v", health)
	}
	c.signal(syscall.SIGTERM)
	c.record("stopped")
	if code, rest := c.wait(); code != exitOK || rest != "" {
		t.Errorf("exit code %d, then %q", code, rest)
	}
}

// wantCA checks the files of a CA against the start message.
func wantCA(t *testing.T, ca map[string]any, created bool) {
	t.Helper()
	file := ca["file"].(string)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var der []byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		der = block.Bytes
	}
	sum := strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(der)), " ", ":")
	if ca["sha256"] != sum || ca["created"] != created {
		t.Errorf("got %v, want fingerprint %s, created %v", ca, sum, created)
	}
	for path, want := range map[string]os.FileMode{
		filepath.Join(filepath.Dir(file), "ca.key"): 0o600, filepath.Dir(file): 0o700, filepath.Dir(filepath.Dir(file)): 0o700,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v, want mode %o", path, info, err, want)
		}
	}
}

// TestRestart: a second start keeps the CA, says so in plain lines, and warns
// of destinations that the CA was not made for.
func TestRestart(t *testing.T) {
	t.Parallel()
	needSignals(t)
	state := "TLSLIFT_STATE_DIR=" + t.TempDir()
	c := newChild(t, state)
	c.start()
	ca := c.record("certificate authority")
	c.record("started")
	c.signal(os.Interrupt)
	if code, rest := c.wait(); code != exitOK {
		t.Fatalf("exit code %d: %s", code, rest)
	}
	c = newChild(t, state, "TLSLIFT_LOG_FORMAT=text", "TLSLIFT_ADMIN_LISTEN=", "TLSLIFT_DESTINATIONS=*.example.com:443")
	c.start()
	c.await("  listening on    proxy://127.0.0.1:")
	c.await("  CA certificate  " + ca["file"].(string))
	c.await("  SHA-256         " + ca["sha256"].(string))
	if warning := c.await("level=WARN"); !strings.Contains(warning, "domains=example.com ") {
		t.Errorf("got %s", warning)
	}
	if text := strings.Join(c.read, "\n"); strings.Contains(text, "http://") || strings.Contains(text, "The CA is new") {
		t.Errorf("got %s", text)
	}
	c.signal(syscall.SIGTERM)
	if code, rest := c.wait(); code != exitOK {
		t.Errorf("exit code %d: %s", code, rest)
	}
}

// connected starts a child with an open connection through it.
func connected(t *testing.T, environ ...string) (*child, net.Conn) {
	t.Helper()
	needSignals(t)
	fake := testenv.FakeM365(t)
	server, err := fake.ServeHTTPS(fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := newChild(t, append(environ,
		"TLSLIFT_CONNECT_TO=outlook.office365.com:443="+server.Addr(),
		"TLSLIFT_UPSTREAM_CA_FILE="+writeFile(t, string(fake.RootPEM())),
		"TLSLIFT_DRAIN_TIMEOUT=10m")...)
	c.start()
	c.started()
	c.record("started")
	client := fakem365.Client{Proxy: c.listens, Roots: fake.Roots()}
	conn, err := client.Dial(t.Context(), "outlook.office365.com:443")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ask(t, conn)
	return c, conn
}

// ask sends a request and reads the answer.
func ask(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: outlook.office365.com\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || !strings.HasPrefix(string(body), "hello from ") {
		t.Errorf("got %q, %v", body, err)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	c, conn := connected(t)
	c.signal(syscall.SIGTERM)
	c.record("stopping")
	if code, body := c.get("/readyz"); code != http.StatusServiceUnavailable || !strings.HasPrefix(body, "stopping") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	ask(t, conn) // open connections continue
	_ = conn.Close()
	if r := c.record("connection"); r["outcome"] != "passed" || r["reason"] != nil {
		t.Errorf("got %v", r)
	}
	c.record("stopped")
	if code, rest := c.wait(); code != exitOK || rest != "" {
		t.Errorf("exit code %d, then %q", code, rest)
	}
}

func TestSecondSignal(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	c, _ := connected(t, "TLSLIFT_STATE_DIR="+state)
	c.signal(os.Interrupt)
	c.record("stopping")
	c.signal(syscall.SIGHUP) // it has no effect any more
	c.signal(os.Interrupt)
	code, rest := c.wait()
	if text, err := os.ReadFile(filepath.Join(state, "clients.json")); err != nil || !strings.Contains(string(text), `"127.0.0.1"`) {
		t.Errorf("the client is not saved: %s, %v", text, err)
	}
	if code != exitCut || !strings.Contains(rest, `"reason":"cut_off_at_shutdown"`) ||
		!strings.Contains(rest, "\ntlslift: a second signal") || strings.Contains(rest, "again") {
		t.Errorf("exit code %d, then %q", code, rest)
	}
}

// TestServeFails: each failure is one line that names the setting.
func TestServeFails(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	file := writeFile(t, "no PEM")
	broken := filepath.Join(t.TempDir(), "ca")
	if err := errors.Join(os.Mkdir(broken, 0o700), os.WriteFile(filepath.Join(broken, "ca.pem"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	both := "TLSLIFT_UPSTREAM_CERT_FILE=" + file
	const mx = "TLSLIFT_UPSTREAM_CERT_DESTINATIONS=*.mail.protection.outlook.com:25"
	open := writeFile(t, "no PEM")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		environ []string
		want    []string
	}{
		"port in use": {[]string{"TLSLIFT_LISTEN=proxy://" + taken.Addr().String()},
			[]string{"TLSLIFT_LISTEN: cannot listen on proxy://" + taken.Addr().String(), "stop the program that has the port"}},
		"admin port in use": {[]string{"TLSLIFT_ADMIN_LISTEN=" + taken.Addr().String()},
			[]string{"TLSLIFT_ADMIN_LISTEN: cannot listen on " + taken.Addr().String(), "stop the program that has the port"}},
		"not our address": {[]string{"TLSLIFT_LISTEN=proxy://192.0.2.1:3128"},
			[]string{"TLSLIFT_LISTEN: cannot listen on proxy://192.0.2.1:3128", "an address of this machine"}},
		"listens twice": {[]string{"TLSLIFT_LISTEN=proxy://127.0.0.1:0,proxy://" + taken.Addr().String()},
			[]string{"TLSLIFT_LISTEN: cannot listen"}},
		"state in a file": {[]string{"TLSLIFT_STATE_DIR=" + filepath.Join(file, "state")},
			[]string{"TLSLIFT_STATE_DIR: creating ", "choose another one"}},
		"broken CA": {[]string{"TLSLIFT_STATE_DIR=" + filepath.Dir(broken)}, []string{"TLSLIFT_STATE_DIR: ", broken}},
		"no root file": {[]string{"TLSLIFT_UPSTREAM_CA_FILE=/no/roots.pem"},
			[]string{"TLSLIFT_UPSTREAM_CA_FILE: cannot read /no/roots.pem", "correct the path"}},
		"bad root file": {[]string{"TLSLIFT_UPSTREAM_CA_FILE=" + file},
			[]string{"TLSLIFT_UPSTREAM_CA_FILE: " + file + " has no certificate in PEM form"}},
		"key for everybody": {[]string{both, mx, "TLSLIFT_UPSTREAM_KEY_FILE=" + open},
			[]string{"TLSLIFT_UPSTREAM_KEY_FILE: cannot read ", "chmod 600 " + open}},
		"no key file": {[]string{both, mx, "TLSLIFT_UPSTREAM_KEY_FILE=/no/key.pem"},
			[]string{"TLSLIFT_UPSTREAM_KEY_FILE: cannot read /no/key.pem"}},
		"bad certificate": {[]string{both, mx, "TLSLIFT_UPSTREAM_KEY_FILE=" + file},
			[]string{"TLSLIFT_UPSTREAM_CERT_FILE: " + file, "both in PEM form"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChild(t, test.environ...)
			c.start()
			wantFailure(t, c, test.want...)
		})
	}
}

func wantFailure(t *testing.T, c *child, want ...string) {
	t.Helper()
	code, text := c.wait()
	if code != exitFailure || strings.Contains(text, "\n") || !strings.HasPrefix(text, "tlslift: ") {
		t.Errorf("exit code %d, want 1 and one line: %s", code, text)
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("got %s, want %q", text, w)
		}
	}
}

// TestNoPermission runs where permissions count, which they do not for root.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	needSignals(t)
	if os.Geteuid() == 0 {
		t.Skip("root may do everything")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	c := newChild(t, "TLSLIFT_STATE_DIR="+filepath.Join(dir, "state"))
	c.start()
	wantFailure(t, c, "TLSLIFT_STATE_DIR: creating", "permission denied", "let tlslift's user write")
}
