package upstream

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
)

// A leg is a connection that has only its ends.
type leg struct {
	net.Conn
	local, remote string
}

func (l leg) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(l.local)) }
func (l leg) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(l.remote)) }

// The system gives one port to connections to several destinations.
func TestLoops(t *testing.T) {
	t.Parallel()
	const us, a, b = "10.0.0.1:40000", "192.0.2.1:443", "192.0.2.2:443"
	l := NewLoops()
	var first, second atomic.Bool
	forgetFirst := l.Add(leg{local: us, remote: a}, &first)
	expect := func(to string, want bool) {
		t.Helper()
		if got := l.Detect(netip.MustParseAddrPort(us), netip.MustParseAddrPort(to)); got != want {
			t.Errorf("to %s: a loop %v, want %v", to, got, want)
		}
	}
	expect(b, false) // a program of this machine, from the same port
	if first.Load() {
		t.Error("the first is taken for a loop")
	}
	forgetSecond := l.Add(leg{local: us, remote: b}, &second)
	expect(b, true)
	if first.Load() || !second.Load() {
		t.Error("the wrong one is marked")
	}
	forgetSecond()
	expect(b, false)
	expect(a, true)
	forgetFirst()
	expect(a, false)
	if len(l.open) != 0 {
		t.Errorf("%d are kept", len(l.open))
	}
}
