package proxy

import (
	"errors"
	"fmt"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/tlslift/tlslift/proxy/record"
)

// identify finds the client's address. A connection from a trusted balancer
// must begin with a PROXY protocol header (v1 or v2): were it optional, every
// client behind the balancer could send one of its own.
func (s *Server) identify(c *client) error {
	if !within(s.cfg.TrustedProxies, c.rec.Client) {
		return nil
	}
	if err := c.SetReadDeadline(time.Now().Add(s.cfg.HandshakeTimeout)); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	header, err := proxyproto.Read(c.reader)
	if err != nil {
		return record.Fail(record.ReasonProxyHeaderInvalid, fmt.Errorf("reading PROXY header from %s: %w", c.rec.Client, err))
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	return c.believe(header)
}

// believe takes the client's address from the header. LOCAL (v2) and UNKNOWN
// (v1) mean that the balancer itself is the client, as in a health check.
func (c *client) believe(h *proxyproto.Header) error {
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
	if c.listener.url.Scheme.Transparent() {
		c.original, c.toldOriginal = addrPortOf(dst), true
	}
	return nil
}
