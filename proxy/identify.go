package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/tlslift/tlslift/proxy/record"
)

// maxProxyLine is the longest header of PROXY protocol version 1.
const maxProxyLine = 107

// identify finds the client's address. A connection from a trusted balancer
// must begin with a PROXY protocol header (v1 or v2): were it optional, every
// client of the balancer could send one of its own.
func identify(c *conn, trusted []netip.Prefix, timeout time.Duration) error {
	if !within(trusted, c.rec.Client) {
		return nil
	}
	if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	// The parser takes a line of version 1 only when all of it has come.
	err := c.AwaitLine("PROXY ", maxProxyLine)
	var header *proxyproto.Header
	if err == nil {
		header, err = proxyproto.Read(c.Reader())
	}
	if err != nil {
		return record.Fail(record.ReasonProxyHeaderInvalid, fmt.Errorf("reading PROXY header from %s: %w", c.rec.Client, err))
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	return trust(c, header)
}

// trust takes the client's address from the header. LOCAL (v2) and UNKNOWN
// (v1) mean that the balancer itself is the client, as in a health check.
func trust(c *conn, h *proxyproto.Header) error {
	if h.Command.IsLocal() || h.TransportProtocol == proxyproto.UNSPEC {
		return nil
	}
	src, dst, ok := h.TCPAddrs()
	if !ok {
		return record.Fail(record.ReasonProxyHeaderInvalid, errors.New("the PROXY header names no TCP address"))
	}
	addr := src.AddrPort().Addr().Unmap()
	if !addr.IsValid() || addr.IsUnspecified() {
		return record.Fail(record.ReasonProxyHeaderInvalid, errors.New("the PROXY header names no client"))
	}
	c.rec.Client = addr
	if c.socket.url.Scheme.Transparent() {
		c.original, c.isFromHeader = addrPortOf(dst), true
	}
	return nil
}
