// Package e2e runs the real program between real clients and servers.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait; a test that runs into it has failed.
const patience = 60 * time.Second

// need skips the test when a real peer is missing, or fails it when
// TLSLIFT_TEST_PEERS=required.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("TLSLIFT_TEST_PEERS") == "required" {
			t.Fatalf("%s is not installed, and TLSLIFT_TEST_PEERS=required", p)
		}
		t.Skipf("%s is not installed; .ci/run installs it", p)
	}
}

// needFiles is need for what is no program.
func needFiles(t *testing.T, files ...string) {
	t.Helper()
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			continue
		}
		if os.Getenv("TLSLIFT_TEST_PEERS") == "required" {
			t.Fatalf("%s is not installed, and TLSLIFT_TEST_PEERS=required", f)
		}
		t.Skipf("%s is not installed; .ci/run installs it", f)
	}
}

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
		proxy: freeAddress(t), tls: freeAddress(t), sni: freeAddress(t), admin: freeAddress(t),
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
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
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
	timeout := time.After(patience)
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

// nextPort counts up below the ports that the system gives to outgoing
// connections, so that none of those takes a port between its choice and its
// use.
var nextPort atomic.Int32

const (
	firstPort = 20000
	lastPort  = 32000
)

// freeAddress is a loopback address that nobody listens on, and that is given
// out only once.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range lastPort - firstPort {
		// Another run of the tests on this machine begins elsewhere.
		port := firstPort + (int(nextPort.Add(1))+os.Getpid()*97)%(lastPort-firstPort)
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		_ = ln.Close()
		return ln.Addr().String()
	}
	t.Fatal("no free port")
	return ""
}

// A pki is a test authority and what it has signed.
type pki struct {
	t    *testing.T
	key  *rsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{t: t, key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Upstream test root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, p.key.Public(), p.key)
	if err != nil {
		t.Fatal(err)
	}
	if p.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	p.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return p
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// leaf is a server certificate; change alters it from a good one. A selfSigned
// one is not signed by the authority.
func (p *pki) leaf(selfSigned bool, change func(*x509.Certificate)) (certFile, keyFile string, cert *x509.Certificate) {
	p.t.Helper()
	key := newKey(p.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames:    []string{host, "*.office365.com", "www.unrelated.example"},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	parent, signer := p.cert, p.key
	if selfSigned {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		p.t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		p.t.Fatal(err)
	}
	dir := p.t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(p.t, certFile, "CERTIFICATE", der)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	writePEM(p.t, keyFile, "PRIVATE KEY", pkcs8)
	return certFile, keyFile, cert
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644); err != nil { // read by nginx's worker
		t.Fatal(err)
	}
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
	file := filepath.Join(n.pki.t.TempDir(), "root.pem")
	if err := os.WriteFile(file, n.pki.pem, 0o600); err != nil {
		n.pki.t.Fatal(err)
	}
	return file
}

const modernTLS = "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM:ECDHE+SHA256:ECDHE+SHA384;"

// startNginx serves dir/www at "/" and hands what is sent to /upload to a
// server that answers with its SHA-256.
func startNginx(t *testing.T, p *pki, tlsConfig string, selfSigned bool, change func(*x509.Certificate)) *nginx {
	t.Helper()
	need(t, "nginx")
	dir := t.TempDir()
	certFile, keyFile, cert := p.leaf(selfSigned, change)
	n := &nginx{address: freeAddress(t), cert: cert, pki: p, root: filepath.Join(dir, "www")}
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
	runServer(t, n.address, "nginx", "-c", confFile, "-p", dir, "-e", filepath.Join(dir, "error.log"))
	return n
}

// runServer starts a server and waits until its address answers.
func runServer(t *testing.T, address, name string, args ...string) {
	t.Helper()
	server{address: address, dial: new(net.Dialer).DialContext}.run(t, name, args...)
}

// A server is a program that answers on an address, for who dials so.
type server struct {
	address string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

func (s server) run(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		conn, err := s.dial(t.Context(), "tcp", s.address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended with %v:\n%s", name, err, out.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not listen on %s", name, s.address)
}

// run runs a client to its end and returns what it printed.
func run(t *testing.T, stdin string, name string, args ...string) (string, error) {
	t.Helper()
	need(t, name)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
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
	need(t, name)
	return run(t, stdin, "ip", append([]string{"netns", "exec", string(ns), name}, args...)...)
}

// end is as much of a long text as one wants to see.
func end(text string) string { return text[max(0, len(text)-10000):] }

// tlsServer runs a crypto/tls server for what nginx cannot be made to do.
func tlsServer(t *testing.T, cfg *tls.Config, handle func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				if cfg != nil {
					conn = tls.Server(conn, cfg)
				}
				handle(conn)
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); conns.Wait() })
	return ln.Addr().String()
}

func onlyLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
}
