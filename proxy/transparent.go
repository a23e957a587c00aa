package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/origdst"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
)

// findOriginal finds where a client that knows of no proxy was going. A
// connection that nobody has redirected is going to the listener itself.
func (s *Server) findOriginal(c *client) error {
	if !c.listener.url.Scheme.Transparent() {
		return nil
	}
	// Before a balancer, it is the header that tells.
	if !c.original.IsValid() {
		original, err := originalOf(c)
		if errors.Is(err, origdst.ErrNotRedirected) {
			return record.Fail(record.ReasonNotRedirected, err)
		}
		if err != nil {
			return record.Fail(record.ReasonInternal, err)
		}
		c.original = original
	}
	if s.isSelf(c.original) {
		c.original = netip.AddrPort{} // what the client speaks cannot be told
		return record.Fail(record.ReasonNotRedirected, nil)
	}
	c.rec.Original = c.original
	return nil
}

// originalOf asks the kernel.
func originalOf(c *client) (netip.AddrPort, error) {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return netip.AddrPort{}, origdst.ErrNotRedirected
	}
	if c.listener.url.Scheme == listener.SchemeTPROXY {
		return addrPortOf(tcp.LocalAddr()), nil
	}
	return origdst.Redirected(tcp)
}

// scheme is what the client speaks: what its listener says, or the port that it
// was going to.
func (c *client) scheme() listener.Scheme {
	if c.original.IsValid() {
		return c.listener.url.SchemeOf(c.original.Port())
	}
	return c.listener.url.Scheme
}

// findDestinationByAddress fills in the destination that an original address
// tells. Of the names that may be meant the first counts: an allowed one that
// leads to this very address, the name that Microsoft's row of the address is
// best known by, and what the listener says.
func (s *Server) findDestinationByAddress(ctx context.Context, c *client) error {
	allowed := s.policy.Load()
	host := s.addresses.nameOf(ctx, allowed, c.original)
	if host == "" {
		known, _ := allowed.NameAt(c.original)
		host = known.Host
	}
	if host == "" {
		host = c.listener.url.SNI
	}
	if host == "" {
		return record.Fail(record.ReasonNoServerName, nil)
	}
	return s.setDestination(c, host, c.original.Port())
}

// findRedirectedByName goes by the client's server name, and without one by its
// address. A name that is an address is none (RFC 6066 section 3).
func (s *Server) findRedirectedByName(ctx context.Context, c *client) error {
	before := c.destination
	err := s.setDestination(c, c.hello.ServerName, c.original.Port())
	switch {
	case c.hello.ServerName == "" || err != nil && asFailure(err).Reason == record.ReasonDestinationIsAddress:
		if c.destination.Host != "" {
			return nil
		}
		return s.findDestinationByAddress(ctx, c)
	case err != nil:
		return err
	}
	if before != c.destination {
		c.dropUpstream() // the opening was carried to what the address told
	}
	return nil
}

// otherWait is how long a client is waited for that should begin with TLS, and
// may turn out to speak something else to a server that speaks first.
const otherWait = 3 * time.Second

// errNotTLS finds a connection that is not ours to carry, before there is a
// ClientHello.
var errNotTLS = errors.New("the client does not begin with TLS")

func (s *Server) findOther(c *client) error {
	if !c.mayBypass() {
		return nil
	}
	isTLS, err := c.tlsWithin(otherWait)
	if err == nil && !isTLS {
		return errNotTLS
	}
	return err
}

// mayBypass says whether a connection that is not ours to carry may be relayed
// to where it was going. What a balancer says of that is believed for a
// destination that is allowed, and for no other: whoever can speak for the
// balancer could go anywhere.
func (c *client) mayBypass() bool {
	return c.listener.url.Bypass && c.original.IsValid() && !c.toldOriginal
}

// passElsewhere relays a connection whose destination was refused to where it
// was going, if the listener says so. Once the opening was carried there is no
// way back.
func (s *Server) passElsewhere(ctx context.Context, c *client, refusal error) error {
	if !c.mayBypass() || c.upstream != nil {
		return refusal
	}
	if errors.Is(refusal, errNotTLS) || asFailure(refusal).Reason.Unmatched() {
		return s.passOther(ctx, c)
	}
	return refusal
}

// passOther relays a connection untouched to the address that it was going to,
// as if it had not been redirected.
func (s *Server) passOther(ctx context.Context, c *client) error {
	// The host of a destination is never an address but here, where nothing is
	// looked up or verified by it.
	c.destination = policy.Destination{Host: c.original.Addr().String(), Port: c.original.Port()}
	c.rec.Destination, c.rec.Rule = c.destination.String(), record.RuleBypass
	// From here, the machine's own services would take the client for local.
	if isLocal(c.original.Addr()) {
		return record.Fail(record.ReasonAddressForbidden, nil)
	}
	if err := s.dial(ctx, c); err != nil {
		return err
	}
	c.rec.Outcome = record.OutcomePassed
	return s.relayBetween(c, c, c.upstream)
}
