package upstream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// host is the name that test servers have a certificate for.
const host = "mail.example.com"

// serve accepts on loopback until the test ends and hands each connection to
// handle, which need not close it. It waits for all of them.
func serve(t *testing.T, handle func(net.Conn)) *net.TCPAddr {
	t.Helper()
	return serveOn(t, "127.0.0.1:0", handle)
}

func serveOn(t *testing.T, address string, handle func(net.Conn)) *net.TCPAddr {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Skipf("this machine cannot listen on %s: %v", address, err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return listener.Addr().(*net.TCPAddr)
}

// hangAfter is a server that says nothing, and calls event when it got
// something.
func hangAfter(event func()) func(net.Conn) {
	return func(conn net.Conn) {
		readSome(conn)
		event()
		hang(conn)
	}
}

func readSome(conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) }

// hang keeps the connection open and says nothing until the peer closes it.
func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func echo(conn net.Conn) { _, _ = io.Copy(conn, conn) }

// closedPort is a port on loopback where nobody listens.
func closedPort(t *testing.T) uint16 {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return port(listener.Addr())
}

func port(address net.Addr) uint16 { return uint16(address.(*net.TCPAddr).Port) }

func newDialer(t *testing.T, c Config) *Dialer {
	t.Helper()
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// mapped maps host:443 to address.
func mapped(address net.Addr) map[string]string {
	return map[string]string{host + ":443": address.String()}
}

// wantReason checks that err is a failure with the given reason.
func wantReason(t *testing.T, err error, want record.Reason) *record.Failure {
	t.Helper()
	var failure *record.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("got error %v (%T), want a *record.Failure with reason %s", err, err, want)
	}
	if failure.Reason != want {
		t.Fatalf("got reason %s (%v), want %s", failure.Reason, err, want)
	}
	return failure
}

// wantEcho checks that bytes go both ways on conn.
func wantEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "ping"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "ping" {
		t.Fatalf("got %q, %v back, want ping", got, err)
	}
}

// An authority signs the certificates of one test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := newTemplate("Test root")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	a := &authority{key: newKey(t)}
	a.certificate = sign(t, template, template, &a.key.PublicKey, a.key)
	return a
}

func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// issue makes a certificate for host, after change had its way with it.
func (a *authority) issue(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := newTemplate(host)
	template.DNSNames = []string{host}
	if change != nil {
		change(template)
	}
	key := newKey(t)
	leaf := sign(t, template, a.certificate, &key.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
}

func newTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, public, key any) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// An expiring context reaches its deadline when the test says so.
type expiring struct {
	context.Context
	done chan struct{}
}

func newExpiring(t *testing.T) (ctx *expiring, expire func()) {
	t.Helper()
	ctx = &expiring{t.Context(), make(chan struct{})}
	return ctx, sync.OnceFunc(func() { close(ctx.done) })
}

func (e *expiring) Done() <-chan struct{} { return e.done }

func (e *expiring) Err() error {
	select {
	case <-e.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// except forbids only the given addresses, so that tests can work on loopback.
func except(forbidden ...string) func(netip.Addr) bool {
	return func(address netip.Addr) bool { return slices.Contains(forbidden, address.String()) }
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
