package proxy

import (
	"errors"
	"fmt"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// maxProxyLine is the longest header of PROXY protocol version 1.
const maxProxyLine = 107

// identify finds the address of a client of a trusted balancer. Its connection must
// begin with a PROXY protocol header (v1 or v2): were it optional, every client of the
// balancer could send one of its own.
func identify(c *conn, timeout time.Duration) error {
	c.rec.ByBalancer = true
	if err := c.closedOr(nil, timeout); err != nil {
		return err
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
	addr := src.AddrPort().Addr().Unmap()
	if !ok || !addr.IsValid() || addr.IsUnspecified() {
		return record.Fail(record.ReasonProxyHeaderInvalid, errors.New("the PROXY header names no client with a TCP address"))
	}
	c.rec.Client, c.rec.ByBalancer = addr, false
	if c.socket.url.Scheme.Transparent() {
		c.original, c.isFromHeader = upstream.AddrPortOf(dst), true
	}
	return nil
}

// closedOr returns err, unless a balancer that has connected for itself closes within a
// time; the read deadline stays.
func (c *conn) closedOr(err error, wait time.Duration) error {
	if c.rec.ByBalancer && c.SetReadDeadline(time.Now().Add(wait)) == nil {
		if _, closed := c.Reader().Peek(1); closed != nil && readFailure(closed).Reason == record.ReasonClosedBeforeHello {
			return readFailure(closed)
		}
	}
	return err
}
