package service

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/inherited"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/successor"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/origdst"
	"github.com/tlslift/tlslift/proxy/sockets"
)

// opened has the listening sockets of a service. They are inherited, or opened here.
type opened struct {
	inherited *inherited.Set

	mu  sync.Mutex
	all []*watched
}

// A watched is a listening socket of which is known whether anybody accepts its
// connections.
type watched struct {
	net.Listener

	name     string
	socket   syscall.Conn
	accepts  atomic.Uint64 // how often Accept was called, and returned
	before   uint64        // what it was at the last look
	wasStuck bool          // connections waited at the last look
}

// Accept implements net.Listener.
func (w *watched) Accept() (net.Conn, error) {
	w.accepts.Add(1)
	defer w.accepts.Add(1)
	return w.Listener.Accept()
}

// isStuck reports whether connections wait and nobody has accepted any, or tried, since
// the last look, when they waited too. Who has too many open files tries.
func (w *watched) isStuck() bool {
	accepts, waiting := w.accepts.Load(), waitingConnections(w.socket)
	stuck := w.wasStuck && waiting && accepts == w.before
	w.before, w.wasStuck = accepts, waiting
	return stuck
}

// add notes a socket, which gets a name that a successor knows it by.
func (o *opened) add(ln net.Listener) net.Listener {
	o.mu.Lock()
	defer o.mu.Unlock()
	socket, _ := ln.(syscall.Conn)
	w := &watched{Listener: ln, name: o.nextName(), socket: socket}
	o.all = append(o.all, w)
	return w
}

func (o *opened) nextName() string { return "listener" + strconv.Itoa(len(o.all)) }

// take returns the inherited socket of an address; nil if there is none.
func (o *opened) take(address string) (net.Listener, error) {
	o.mu.Lock()
	name := o.nextName()
	o.mu.Unlock()
	return o.inherited.Listen(address, name)
}

// listen opens a socket, unless it was inherited.
func (o *opened) listen(ctx context.Context, address string) (net.Listener, error) {
	ln, err := o.take(address)
	if err == nil && ln == nil {
		var lc net.ListenConfig
		ln, err = lc.Listen(ctx, "tcp", address)
	}
	if err != nil {
		return nil, err
	}
	return o.add(ln), nil
}

// open does the same for a listener of the proxy.
func (o *opened) open(ctx context.Context, u listener.URL) (net.Listener, error) {
	ln, err := o.take(u.Address)
	switch {
	case err != nil:
	case ln == nil:
		ln, err = sockets.Open(ctx, u)
	case u.Scheme == listener.SchemeTPROXY:
		if err = origdst.MakeTransparent(ln); err != nil {
			_ = ln.Close()
		}
	}
	if err != nil {
		return nil, err
	}
	return o.add(ln), nil
}

// sockets returns what a successor gets.
func (o *opened) sockets() []successor.Socket {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []successor.Socket
	for _, w := range o.all {
		if w.socket != nil {
			all = append(all, successor.Socket{Name: w.name, Conn: w.socket})
		}
	}
	return all
}

// stuck returns the address of a socket whose connections nobody accepts.
func (o *opened) stuck() (address string, is bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.all {
		if w.isStuck() {
			address, is = w.Addr().String(), true
		}
	}
	return address, is
}
