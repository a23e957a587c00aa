package proxy

import (
	"net"
	"net/netip"
	"sync"
)

// loops has our connections to destinations, by both ends: one that is accepted
// again by a redirecting listener was caught by the firewall rule that was meant
// for clients. One end is not enough, as the system uses a port for connections to
// several destinations at once.
type loops struct {
	mu   sync.Mutex
	open map[ends]*outbound
}

// ends are the addresses of a connection on our side and on the other one.
type ends struct{ local, remote netip.AddrPort }

func newLoops() *loops { return &loops{open: map[ends]*outbound{}} }

// add notes that conn was opened for o, until the function that it returns is
// called.
func (l *loops) add(o *outbound, conn net.Conn) (remove func()) {
	of := ends{addrPortOf(conn.LocalAddr()), addrPortOf(conn.RemoteAddr())}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[of] = o
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.open[of] == o { // the system may have given the port to another since
			delete(l.open, of)
		}
	}
}

// detect reports whether a connection that was accepted from an address, and was
// going to another, is one of ours, and if so marks the one that opened it.
func (l *loops) detect(from, to netip.AddrPort) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, ours := l.open[ends{from, to}]
	if ours {
		o.isLoop.Store(true)
	}
	return ours
}
