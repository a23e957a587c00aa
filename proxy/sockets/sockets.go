// Package sockets opens the sockets of the listeners: all of them, or none.
//
// It accepts nothing: the proxy does.
package sockets

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/origdst"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A Socket is the open socket of a listener.
type Socket struct {
	net.Listener

	// URL has the address in force, in case the configured port is 0.
	URL listener.URL
}

// An Opener opens the socket of a listener.
type Opener func(context.Context, listener.URL) (net.Listener, error)

// Open opens the socket of a listener at its address.
func Open(ctx context.Context, u listener.URL) (net.Listener, error) {
	lc := &net.ListenConfig{}
	if u.Scheme.Transparent() {
		var err error
		if lc, err = origdst.Listen(u.Scheme == listener.SchemeTPROXY); err != nil {
			return nil, err
		}
	}
	inheritKeepAlive(lc)
	return lc.Listen(ctx, "tcp", u.Address)
}

// A Set is the sockets of all listeners.
type Set []Socket

// OpenAll opens all, or none: an error closes those already open. An opener of nil
// means Open.
func OpenAll(ctx context.Context, urls []listener.URL, open Opener) (Set, error) {
	if open == nil {
		open = Open
	}
	all := make(Set, 0, len(urls))
	for _, u := range urls {
		ln, err := open(ctx, u)
		if err != nil {
			all.Close()
			return nil, &Error{URL: u, Err: err}
		}
		u.Address = ln.Addr().String()
		all = append(all, Socket{Listener: ln, URL: u})
	}
	return all, nil
}

// Close closes all.
func (all Set) Close() {
	for _, s := range all {
		_ = s.Close()
	}
}

// URLs returns the listeners, with the addresses in force.
func (all Set) URLs() []listener.URL {
	urls := make([]listener.URL, len(all))
	for i, s := range all {
		urls[i] = s.URL
	}
	return urls
}

// Has reports whether addr is the address of one of them, so that a destination that is
// tlslift itself is no loop.
func (all Set) Has(addr netip.AddrPort) bool {
	for _, s := range all {
		own := s.Addr().(*net.TCPAddr).AddrPort()
		if own.Port() != addr.Port() {
			continue
		}
		if own.Addr().Unmap() == addr.Addr().Unmap() {
			return true
		}
		if own.Addr().IsUnspecified() && upstream.IsLocal(addr.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// An Error says which listener could not be opened.
type Error struct {
	URL listener.URL
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("listening on %s: %v", e.URL, e.Err) }

// Unwrap returns the system's error.
func (e *Error) Unwrap() error { return e.Err }
