package upstream

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Loops has our connections to destinations, by both ends: one that is accepted
// again by a redirecting listener was caught by the firewall rule that was meant
// for clients. One end is not enough, as the system uses a port for connections to
// several destinations at once.
type Loops struct {
	mu   sync.Mutex
	open map[ends]*atomic.Bool
}

// ends are the addresses of a connection on our side and on the other one.
type ends struct{ local, remote netip.AddrPort }

// NewLoops returns one that has no connection.
func NewLoops() *Loops { return &Loops{open: map[ends]*atomic.Bool{}} }

// Add notes a connection that was opened, until the function that it returns is
// called. Detect sets isLoop.
func (l *Loops) Add(conn net.Conn, isLoop *atomic.Bool) (remove func()) {
	of := ends{AddrPortOf(conn.LocalAddr()), AddrPortOf(conn.RemoteAddr())}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[of] = isLoop
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.open[of] == isLoop { // the system may have given the port to another since
			delete(l.open, of)
		}
	}
}

// Detect reports whether a connection that was accepted from an address, and was
// going to another, is one of ours, and if so marks the one that opened it.
func (l *Loops) Detect(from, to netip.AddrPort) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	isLoop, ours := l.open[ends{from, to}]
	if ours {
		isLoop.Store(true)
	}
	return ours
}

// AddrPortOf returns an IPv4 address as such, also of a socket of both families.
func AddrPortOf(addr net.Addr) netip.AddrPort {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
