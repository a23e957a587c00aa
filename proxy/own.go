package proxy

import (
	"net"
	"net/netip"
	"sync"
)

// own are our connections to destinations, by their address on this side: the
// one that comes back to a redirecting listener has been caught by the rule
// that was meant for clients.
type own struct {
	mu      sync.Mutex
	clients map[netip.AddrPort]*client
}

func newOwn() *own { return &own{clients: map[netip.AddrPort]*client{}} }

// add notes that conn was opened for c, until the function that it returns is
// called.
func (o *own) add(c *client, conn net.Conn) func() {
	local := addrPortOf(conn.LocalAddr())
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clients[local] = c
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.clients[local] == c { // the system may have given the port to another since
			delete(o.clients, local)
		}
	}
}

// cameBack says whether a connection that was accepted from remote is one of
// ours, and if so tells the client that it was opened for.
func (o *own) cameBack(remote netip.AddrPort) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	c, ours := o.clients[remote]
	if ours {
		c.looped.Store(true)
	}
	return ours
}
