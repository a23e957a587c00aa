package proxy_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
	"github.com/tlslift/tlslift/proxy/upstream"
)

const (
	host   = "outlook.office365.com"
	target = host + ":443"
	// patience bounds every wait; a test that runs into it has failed.
	patience = 30 * time.Second
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// shared holds what is slow to make and never changes.
var shared = sync.OnceValues(func() (*localca.CA, error) {
	dir, err := os.MkdirTemp("", "tlslift-proxy-test-")
	if err != nil {
		return nil, err
	}
	allowed, err := m365.New(m365.Worldwide, nil)
	if err != nil {
		return nil, err
	}
	return localca.Open(localca.Options{Dir: filepath.Join(dir, "ca"), Permitted: allowed.Domains()})
})

func TestMain(m *testing.M) {
	testenv.Parallel(8)
	code := m.Run()
	if ca, err := shared(); err == nil {
		_ = os.RemoveAll(filepath.Dir(filepath.Dir(ca.CertificateFile())))
	}
	os.Exit(code)
}

// A world is a fake Microsoft 365 and a tlslift in front of it.
type world struct {
	t       testing.TB
	fake    *fakem365.Service
	server  *proxy.Server
	ca      *localca.CA
	proxy   string // host:port of the proxy:// listener
	tls     string // host:port of the tls:// listener to target
	records chan record.Record
	stop    context.CancelFunc
	ended   chan error
}

// Closed implements proxy.Observer.
func (w *world) Closed(r *record.Record) { w.records <- *r }

// Opened implements proxy.Observer.
func (w *world) Opened(string) {}

// newWorld starts a tlslift for which addr is where target leads; change
// alters its configuration.
func newWorld(t testing.TB, fake *fakem365.Service, addr string, change func(*proxy.Config)) *world {
	t.Helper()
	ca, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := m365.New(m365.Worldwide, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, fake: fake, ca: ca, records: make(chan record.Record, 1000), ended: make(chan error, 1)}
	cfg := proxy.Config{
		Listeners: []listener.URL{
			{Scheme: listener.SchemeProxy, Address: "127.0.0.1:0"},
			{Scheme: listener.SchemeTLS, Address: "127.0.0.1:0", To: policy.Destination{Host: host, Port: 443}},
		},
		ClientNets: loopback, Policy: allowed, CA: ca,
		Upstream:       upstream.Config{Roots: fake.Roots(), ConnectTo: map[string]string{target: addr}},
		MaxConnections: 100, MaxConnectionsPerClient: 100,
		HandshakeTimeout: patience, IdleTimeout: patience, DrainTimeout: patience,
		Observer: w,
	}
	if change != nil {
		change(&cfg)
	}
	if w.server, err = proxy.New(cfg); err != nil {
		t.Fatal(err)
	}
	w.serve()
	return w
}

func (w *world) serve() {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	if err := w.server.Listen(ctx); err != nil {
		w.t.Fatal(err)
	}
	for _, l := range w.server.Listeners() {
		if l.Scheme == listener.SchemeProxy {
			w.proxy = l.Address
		} else {
			w.tls = l.Address
		}
	}
	go func() { w.ended <- w.server.Serve(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-w.ended; err != nil {
			w.t.Errorf("serving ended with %v", err)
		}
	})
}

// https starts the fake's web server.
func https(t *testing.T, fake *fakem365.Service, o fakem365.TLSOptions) *fakem365.Server {
	t.Helper()
	s, err := fake.ServeHTTPS(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// echo starts a server that sends back what it gets.
func echo(t testing.TB, fake *fakem365.Service) *fakem365.Server {
	t.Helper()
	s, err := fake.ServeTLS(fakem365.TLSOptions{}, func(c *tls.Conn) { _, _ = io.Copy(c, c) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// record is the next connection's record.
func (w *world) record() record.Record {
	w.t.Helper()
	select {
	case r := <-w.records:
		return r
	case <-time.After(patience):
		w.t.Fatal("no record")
		return record.Record{}
	}
}

// expect waits for a record with an outcome and a reason.
func (w *world) expect(o record.Outcome, r record.Reason) record.Record {
	w.t.Helper()
	got := w.record()
	if got.Outcome != o || got.Reason != r {
		w.t.Errorf("got %s %q (%v), want %s %q", got.Outcome, got.Reason, got.Err, o, r)
	}
	return got
}

// client trusts tlslift's CA and the fake's root, and speaks up to max.
func (w *world) client(max uint16) *fakem365.Client {
	roots := w.fake.Roots().Clone()
	roots.AddCert(w.ca.Certificate())
	c := &fakem365.Client{Proxy: w.proxy, Roots: roots, MaxVersion: max, Timeout: patience}
	if max < tls.VersionTLS12 {
		c.MinVersion = tls.VersionTLS10
	}
	return c
}

// lifted reports whether a connection was ended by tlslift.
func (w *world) lifted(state tls.ConnectionState) bool {
	leaf := state.PeerCertificates[0]
	return leaf.CheckSignatureFrom(w.ca.Certificate()) == nil
}

// dial opens a TCP connection that ends with the test.
func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// oldConfig is that of a TLS 1.0 client.
func (w *world) oldConfig() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(w.ca.Certificate())
	return &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}
}
