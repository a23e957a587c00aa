// Package e2e runs the real program between real clients and servers.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

var program = sync.OnceValues(func() (string, error) {
	// The go tool does not know that the tests depend on what is built here.
	// Looking at the sources makes it run them again when one has changed.
	if err := filepath.WalkDir(filepath.Join("..", "..", ".."), skipGit); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "tlslift-e2e-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "tlslift")
	args := []string{"build", "-o", bin}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "github.com/tlslift/tlslift/cmd/tlslift")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building tlslift: %w\n%s", err, out)
	}
	return bin, nil
})

func skipGit(_ string, d fs.DirEntry, err error) error {
	if err == nil && d.Name() == ".git" {
		return fs.SkipDir
	}
	return err
}

func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		// These tests wait for other programs most of the time.
		if err := parallel.Value.Set(strconv.Itoa(1 + runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if bin, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// A tlslift is the program, running.
type tlslift struct {
	t         *testing.T
	cmd       *exec.Cmd
	proxy     string // host:port of the proxy:// listener
	tls       string // host:port of the tls:// listener with a fixed destination
	sni       string // host:port of the tls:// listener without one
	admin     string
	caFile    string
	mu        sync.Mutex
	records   []map[string]any
	changed   chan struct{} // closed and renewed with every record
	stderr    bytes.Buffer
	readToEnd chan struct{}
	stopOnce  sync.Once
	http      *http.Client // where admin can be reached
}

// host is the destination of the tests, which TLSLIFT_CONNECT_TO maps to a
// server of theirs.
const host = "outlook.office365.com"

// start runs tlslift with upstream as the address of host:443 and roots as
// what is trusted upstream. Settings given as NAME=value are added.
func start(t *testing.T, upstream string, roots []byte, settings ...string) *tlslift {
	t.Helper()
	return startAs(t, nil, upstream, roots, settings...)
}

// startAs runs tlslift under another program, such as strace.
func startAs(t *testing.T, wrapper []string, upstream string, roots []byte, settings ...string) *tlslift {
	t.Helper()
	l := prepare(t, wrapper, upstream, roots, settings...)
	l.run()
	return l
}

// prepare is startAs without the start.
func prepare(t *testing.T, wrapper []string, upstream string, roots []byte, settings ...string) *tlslift {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rootFile := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(rootFile, roots, 0o600); err != nil {
		t.Fatal(err)
	}
	l := &tlslift{
		t: t, changed: make(chan struct{}), readToEnd: make(chan struct{}), http: http.DefaultClient,
		proxy: testenv.FreeAddress(t), tls: testenv.FreeAddress(t), sni: testenv.FreeAddress(t), admin: testenv.FreeAddress(t),
		caFile: filepath.Join(dir, "state", "ca", "ca.pem"),
	}
	argv := append(append([]string{}, wrapper...), bin, "serve")
	l.cmd = exec.Command(argv[0], argv[1:]...)
	l.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
		"TLSLIFT_LISTEN=proxy://" + l.proxy + ",tls://" + l.tls + "?to=" + host + ":443,tls://" + l.sni,
		"TLSLIFT_ADMIN_LISTEN=" + l.admin,
		"TLSLIFT_STATE_DIR=" + filepath.Join(dir, "state"),
		"TLSLIFT_CONNECT_TO=" + host + ":443=" + upstream,
		"TLSLIFT_UPSTREAM_CA_FILE=" + rootFile,
		"TLSLIFT_LOG_FORMAT=json", "TLSLIFT_LOG_LEVEL=debug",
	}, settings...)
	for i, setting := range l.cmd.Env {
		// A setting may name our own listener, whose address is chosen here.
		l.cmd.Env[i] = strings.ReplaceAll(setting, "{proxy}", l.proxy)
	}
	return l
}

func (l *tlslift) run() {
	l.t.Helper()
	pipe, err := l.cmd.StderrPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go l.read(pipe)
	l.t.Cleanup(l.stop)
	l.awaitReady()
}

// read collects the connection records of the log.
func (l *tlslift) read(r io.Reader) {
	defer close(l.readToEnd)
	for lines := bufio.NewScanner(r); lines.Scan(); {
		l.mu.Lock()
		l.stderr.Write(append(lines.Bytes(), '\n'))
		var rec map[string]any
		if json.Unmarshal(lines.Bytes(), &rec) == nil && rec["msg"] == "connection" {
			l.records = append(l.records, rec)
			close(l.changed)
			l.changed = make(chan struct{})
		}
		l.mu.Unlock()
	}
}

func (l *tlslift) awaitReady() {
	l.t.Helper()
	for deadline := time.Now().Add(testenv.Patience); time.Now().Before(deadline); {
		resp, err := l.http.Get("http://" + l.admin + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-l.readToEnd:
			l.t.Fatalf("tlslift ended at once:\n%s", l.log())
		case <-time.After(20 * time.Millisecond):
		}
	}
	l.t.Fatalf("tlslift is not ready:\n%s", l.log())
}

func (l *tlslift) log() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stderr.String()
}

// stop ends the program as an administrator does and expects a clean exit. It
// may be called more than once.
func (l *tlslift) stop() { l.stopOnce.Do(l.end) }

func (l *tlslift) end() {
	_ = l.cmd.Process.Signal(syscall.SIGTERM)
	<-l.readToEnd
	if err := l.cmd.Wait(); err != nil {
		l.t.Errorf("tlslift ended with %v:\n%s", err, l.log())
	}
	if strings.Contains(l.log(), "DATA RACE") || strings.Contains(l.log(), "panic") {
		l.t.Errorf("tlslift misbehaved:\n%s", l.log())
	}
}

// record waits for a connection's record for which all given fields are as
// given, and forgets it.
func (l *tlslift) record(t *testing.T, want map[string]string) map[string]any {
	t.Helper()
	timeout := time.After(testenv.Patience)
	for {
		l.mu.Lock()
		changed := l.changed
		for i, rec := range l.records {
			if matches(rec, want) {
				l.records = append(l.records[:i], l.records[i+1:]...)
				l.mu.Unlock()
				return rec
			}
		}
		l.mu.Unlock()
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("no record with %v:\n%s", want, l.log())
		}
	}
}

func matches(rec map[string]any, want map[string]string) bool {
	for k, v := range want {
		if got, _ := rec[k].(string); !strings.Contains(got, v) || v == "" && got != "" {
			return false
		}
	}
	return true
}

// metric returns the lines of /metrics that contain all parts.
func (l *tlslift) metric(t *testing.T, parts ...string) []string {
	t.Helper()
	resp, err := l.http.Get("http://" + l.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
lines:
	for line := range strings.Lines(string(body)) {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue lines
			}
		}
		found = append(found, strings.TrimSpace(line))
	}
	return found
}

// A pki is a test authority, whose certificates are files.
type pki struct {
	*testenv.Authority

	t   *testing.T
	pem []byte // of the authority
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	a := testenv.NewAuthority(t, "Upstream test root", testenv.OwnRSAKey(t))
	return &pki{Authority: a, t: t, pem: a.PEM()}
}

// leaf is a server certificate; change alters it from a good one. A selfSigned
// one is not signed by the authority.
func (p *pki) leaf(selfSigned bool, change func(*x509.Certificate)) (certFile, keyFile string, cert *x509.Certificate) {
	p.t.Helper()
	key := testenv.RSAKey(p.t, 0)
	template := testenv.Template(host, host, "*.office365.com", "www.unrelated.example")
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if change != nil {
		change(template)
	}
	signed := p.Issue
	if selfSigned {
		signed = testenv.SelfSigned
	}
	cert = signed(p.t, template, key).Leaf
	dir := p.t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, text := range map[string][]byte{certFile: testenv.CertificatePEM(cert), keyFile: testenv.KeyPEM(p.t, key)} {
		if err := os.WriteFile(file, text, 0o644); err != nil { // read by nginx's worker
			p.t.Fatal(err)
		}
	}
	return certFile, keyFile, cert
}

// An nginx is a server as Microsoft 365 is: TLS 1.2 and newer, ECDHE only.
type nginx struct {
	address string
	cert    *x509.Certificate
	pki     *pki
	root    string // what it serves
}

// rootFile is a file with the root that signed the server's certificate.
func (n *nginx) rootFile() string {
	n.pki.t.Helper()
	return testenv.WriteFile(n.pki.t, "root.pem", n.pki.pem)
}

const modernTLS = "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM:ECDHE+SHA256:ECDHE+SHA384;"

// startNginx serves dir/www at "/" and hands what is sent to /upload to a
// server that answers with its SHA-256.
func startNginx(t *testing.T, p *pki, tlsConfig string, selfSigned bool, change func(*x509.Certificate)) *nginx {
	t.Helper()
	testenv.Need(t, "nginx")
	dir := t.TempDir()
	certFile, keyFile, cert := p.leaf(selfSigned, change)
	n := &nginx{address: testenv.FreeAddress(t), cert: cert, pki: p, root: filepath.Join(dir, "www")}
	if err := os.Mkdir(n.root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.root, "index.html"), []byte("hello from nginx\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log stderr warn; user root;
events { worker_connections 512; }
http {
  access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f;
  uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s; client_max_body_size 0; proxy_request_buffering off;
  server {
    listen %[2]s ssl; ssl_certificate %[3]s; ssl_certificate_key %[4]s; %[5]s
    root %[1]s/www; location /upload { proxy_pass http://%[6]s; }
  }
}`, dir, n.address, certFile, keyFile, tlsConfig, hashServer(t))
	if os.Geteuid() != 0 {
		conf = strings.Replace(conf, "user root;", "", 1)
	}
	confFile := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(confFile, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	testenv.Program{Address: n.address}.Run(t, "nginx", "-c", confFile, "-p", dir, "-e", filepath.Join(dir, "error.log"))
	return n
}

// run runs a client to its end and returns what it printed.
func run(t *testing.T, stdin string, name string, args ...string) (string, error) {
	t.Helper()
	testenv.Need(t, name)
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "OPENSSL_CONF=/dev/null", "no_proxy=", "https_proxy=", "http_proxy=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A namespace is the name of a network namespace.
type namespace string

// run is run in the namespace.
func (ns namespace) run(t *testing.T, stdin, name string, args ...string) (string, error) {
	t.Helper()
	testenv.Need(t, name)
	return run(t, stdin, "ip", append([]string{"netns", "exec", string(ns), name}, args...)...)
}

// end is as much of a long text as one wants to see.
func end(text string) string { return text[max(0, len(text)-10000):] }

// tlsServer runs a crypto/tls server for what nginx cannot be made to do.
func tlsServer(t *testing.T, cfg *tls.Config, handle func(net.Conn)) string {
	t.Helper()
	return testenv.Serve(t, func(conn net.Conn) {
		if cfg != nil {
			conn = tls.Server(conn, cfg)
		}
		handle(conn)
	}).String()
}

func onlyLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux: it looks into /proc, or redirects connections")
	}
}
