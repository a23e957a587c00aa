// Package proxyheader reads the header of the PROXY protocol, by which a load balancer
// names the client of a connection.
package proxyheader

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/pires/go-proxyproto"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// maxLine is the longest header of version 1.
const maxLine = 107

// A Header is what a balancer says of a connection.
type Header struct {
	// IsLocal means that the balancer itself is the client, for example a health check:
	// LOCAL of version 2, and UNKNOWN of version 1. There are no addresses then.
	IsLocal bool
	Client  netip.Addr
	// Destination is what the client has connected to.
	Destination netip.AddrPort
}

// Read reads the header (v1 or v2) with which a connection from an address begins. The
// error is a *record.Failure.
func Read(c *relay.Conn, from netip.Addr) (Header, error) {
	// The parser takes a line of version 1 only when all of it has come.
	err := c.AwaitLine("PROXY ", maxLine)
	var h *proxyproto.Header
	if err == nil {
		h, err = proxyproto.Read(c.Reader())
	}
	if err != nil {
		return Header{}, record.Fail(record.ReasonProxyHeaderInvalid, fmt.Errorf("reading PROXY header from %s: %w", from, err))
	}
	if h.Command.IsLocal() || h.TransportProtocol == proxyproto.UNSPEC {
		return Header{IsLocal: true}, nil
	}
	src, dst, ok := h.TCPAddrs()
	addr := src.AddrPort().Addr().Unmap()
	if !ok || !addr.IsValid() || addr.IsUnspecified() {
		return Header{}, record.Fail(record.ReasonProxyHeaderInvalid, errors.New("the PROXY header names no client with a TCP address"))
	}
	return Header{Client: addr, Destination: upstream.AddrPortOf(dst)}, nil
}
