package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// host is the name that test servers have a certificate for.
const host = "mail.example.com"

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
	return netip.MustParseAddrPort(testenv.RefusingAddress(t)).Port()
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

func newAuthority(t *testing.T) *testenv.Authority {
	t.Helper()
	return testenv.NewAuthority(t, "Test root", testenv.ECDSAKey(t))
}

// issue returns a certificate of ca for host; change alters it from a good one.
func issue(t *testing.T, ca *testenv.Authority, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := testenv.Template(host, host)
	if change != nil {
		change(template)
	}
	return ca.Issue(t, template, testenv.ECDSAKey(t))
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
