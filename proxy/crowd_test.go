package proxy_test

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/netip"
	"testing"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/admission"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// crowded starts a tlslift with few places, behind a balancer that says who its clients
// are.
func crowded(t *testing.T, places, perClient int) *world {
	fake := testenv.FakeM365(t)
	return newWorld(t, fake, echo(t, fake).Addr(), func(c *proxy.Config) {
		c.TrustedProxies = loopback
		c.ClientNets = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
		c.MaxConnections, c.MaxConnectionsPerClient = places, perClient
	})
}

// headerOf returns the PROXY header for a client.
func headerOf(client string) []byte {
	if netip.MustParseAddr(client).Is4() {
		return fmt.Appendf(nil, "PROXY TCP4 %s 192.0.2.254 4096 443\r\n", client)
	}
	return fmt.Appendf(nil, "PROXY TCP6 %s 2001:db8:ffff::1 4096 443\r\n", client)
}

// stay connects as a client that sends nothing.
func (w *world) stay(client string) {
	w.t.Helper()
	if _, err := dial(w.t, w.tls).Write(headerOf(client)); err != nil {
		w.t.Fatal(err)
	}
}

// prints connects as an old printer and is lifted.
func (w *world) prints(client string) {
	w.t.Helper()
	conn := tls.Client(&eagerConn{TCPConn: dial(w.t, w.tls), first: headerOf(client), skipped: true}, w.oldConfig())
	if err := conn.HandshakeContext(w.t.Context()); err != nil {
		w.t.Fatalf("%s is not served: %v", client, err)
	}
	_ = conn.Close()
}

// printsForAnother is prints where another connection has to make room.
func (w *world) printsForAnother() {
	w.t.Helper()
	w.prints("192.0.2.100")
	got := map[record.Outcome]record.Reason{}
	for range 2 { // they end in any order
		r := w.record()
		got[r.Outcome] = r.Reason
	}
	want := map[record.Outcome]record.Reason{record.OutcomeFailed: record.ReasonShed, record.OutcomeLifted: ""}
	if !maps.Equal(got, want) {
		w.t.Errorf("got %v, want %v", got, want)
	}
}

// One host that uses all addresses of its network has no more places than one address.
func TestOneHostDoesNotTakeAllPlaces(t *testing.T) {
	t.Parallel()
	w := crowded(t, 100, 20)
	for i := range 120 {
		w.stay(fmt.Sprintf("2001:db8:1:2::%x", i%60+1))
	}
	for range 100 {
		w.expect(record.OutcomeRefused, record.ReasonTooManyFromClient)
	}
	w.prints("2001:db8:1:3::1")
	w.expect(record.OutcomeLifted, "")
}

// When all places are taken by clients that say nothing, the oldest of them makes room.
func TestSilentClientsMakeRoom(t *testing.T) {
	t.Parallel()
	w := crowded(t, 10, 10)
	for i := range 11 {
		w.stay(fmt.Sprintf("192.0.2.%d", i+1))
	}
	w.expect(record.OutcomeFailed, record.ReasonShed) // all have come by now
	w.printsForAnother()
}

// Connections whose PROXY header never comes have a limit of their own, and take no place
// of a client.
func TestAwaitedHeadersAreBounded(t *testing.T) {
	t.Parallel()
	w := crowded(t, 1, 1)
	for range admission.MaxAwaited(1) + 1 {
		dial(t, w.tls)
	}
	w.expect(record.OutcomeFailed, record.ReasonShed)
	w.printsForAnother()
}
