package proxy

import (
	"net"
	"net/netip"
	"sync"
)

// own are our connections to destinations, by both ends: the one that comes back
// to a redirecting listener has been caught by the rule that was meant for
// clients. One end is not enough, as the system uses a port for connections to
// several destinations at once.
type own struct {
	mu      sync.Mutex
	clients map[ends]*client
}

// ends are the addresses of a connection on our side and on the other one.
type ends struct{ local, remote netip.AddrPort }

func newOwn() *own { return &own{clients: map[ends]*client{}} }

// add notes that conn was opened for c, until the function that it returns is
// called.
func (o *own) add(c *client, conn net.Conn) func() {
	of := ends{addrPortOf(conn.LocalAddr()), addrPortOf(conn.RemoteAddr())}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clients[of] = c
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.clients[of] == c { // the system may have given the port to another since
			delete(o.clients, of)
		}
	}
}

// cameBack says whether a connection that was accepted from an address, and was
// going to another, is one of ours, and if so tells the client that it was opened
// for.
func (o *own) cameBack(from, to netip.AddrPort) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	c, ours := o.clients[ends{from, to}]
	if ours {
		c.looped.Store(true)
	}
	return ours
}
