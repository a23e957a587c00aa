package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/origdst"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
)

// A finder finds the destination of a connection. There are four sources, and each
// leads to an allowed destination or to none:
//
//   - the listener's fixed destination, or what the clients file has in its place,
//   - the target of a CONNECT request,
//   - the client's server name,
//   - the original address of a redirected client, where there is no server name.
type finder struct {
	policy    atomic.Pointer[m365.Policy]
	addresses *m365.Addresses
	isSelf    func(netip.AddrPort) bool
}

// check returns the destination that a client asked for as host:port, if the
// policy allows it.
func (f *finder) check(hostport string) (policy.Destination, error) {
	dest, err := policy.ParseDestination(hostport)
	if err == nil {
		dest, err = f.policy.Load().Check(dest.Host, dest.Port)
	}
	if err != nil {
		return policy.Destination{}, policyFailure(err)
	}
	return dest, nil
}

// set makes host:port the destination, if the policy allows it.
func (f *finder) set(c *conn, host string, port uint16) error {
	dest, err := f.policy.Load().Check(host, port)
	if err != nil {
		return policyFailure(err)
	}
	c.out.set(dest)
	return nil
}

// beforeHello finds the destination that is known before the client has sent
// anything: that of the listener, and that of a redirected client which waits for
// the destination's greeting. A CONNECT request has been read already.
func (f *finder) beforeHello(ctx context.Context, c *conn) error {
	if to := c.options.To.Fixed(c.socket.url); to.Host != "" {
		return f.set(c, to.Host, to.Port)
	}
	if c.original.IsValid() && !c.scheme().ImplicitTLS() {
		return f.byAddress(ctx, c)
	}
	return nil
}

// byHello finds the destination by the client's server name, where neither a
// CONNECT request nor the listener has named it.
func (f *finder) byHello(ctx context.Context, c *conn) error {
	c.hasForeignName = c.hello.ServerName == "" && c.hello.HasExtension(extServerName) // whatever others may read in it
	switch {
	case c.original.IsValid():
		return f.redirected(ctx, c)
	case c.out.destination.Host != "":
		return f.checkName(c)
	}
	to := c.options.To.ByName(c.socket.url, c.hello.ServerName)
	if to.Host == "" {
		return record.Fail(record.ReasonNoServerName, nil)
	}
	return f.set(c, to.Host, to.Port)
}

// checkName looks at the server name of a client whose destination is known. At an edge
// that many share, another name would lead to somebody else: after CONNECT it is refused.
// A client that was pointed at a listener may have the name of tlslift there.
func (f *finder) checkName(c *conn) error {
	if c.hello.ServerName == "" {
		return nil
	}
	_, err := f.policy.Load().Check(c.hello.ServerName, c.out.destination.Port)
	switch {
	case err == nil || policyFailure(err).Reason == record.ReasonDestinationIsAddress:
		return nil
	case c.tunnel != nil:
		return policyFailure(fmt.Errorf("the server name is not that of %s: %w", c.out.destination.Host, err))
	}
	c.hasForeignName = true
	return nil
}

// extServerName is the extension server_name (RFC 6066 section 3).
const extServerName = 0

// redirected goes by the server name of a redirected client, and without one by its
// original address. The name counts more, since we look it up ourselves. A name
// that is an address is none (RFC 6066 section 3).
func (f *finder) redirected(ctx context.Context, c *conn) error {
	before := c.out.destination
	err := f.set(c, c.hello.ServerName, c.original.Port())
	switch {
	case c.hello.ServerName == "" || err != nil && asFailure(err).Reason == record.ReasonDestinationIsAddress:
		if before.Host != "" {
			return nil
		}
		return f.byAddress(ctx, c)
	case err != nil:
		return err
	}
	if before != c.out.destination {
		c.dropUpstream() // the negotiation was with another host
	}
	return nil
}

// byAddress finds the destination by the original address. Of the names that may
// be meant the first counts: an allowed one that has this very address, the name
// by which Microsoft's row of the address is best known, and that of the listener.
func (f *finder) byAddress(ctx context.Context, c *conn) error {
	allowed := f.policy.Load()
	host := f.addresses.NameOf(ctx, allowed, c.original)
	if host == "" {
		known, _ := allowed.NameAt(c.original)
		host = known.Host
	}
	if host == "" {
		host = c.socket.url.SNI
	}
	if host == "" {
		return record.Fail(record.ReasonNoServerName, nil)
	}
	return f.set(c, host, c.original.Port())
}

// original finds the original destination of a redirected client. A connection
// that nothing has redirected is to the listener itself.
func (f *finder) original(c *conn) error {
	if !c.socket.url.Scheme.Transparent() {
		return nil
	}
	// Before a balancer, its header has it.
	if !c.original.IsValid() {
		original, err := origdst.Of(c.Conn.Conn, c.socket.url.Scheme == listener.SchemeTPROXY)
		if errors.Is(err, origdst.ErrNotRedirected) {
			return record.Fail(record.ReasonNotRedirected, err)
		}
		if err != nil {
			return record.Fail(record.ReasonInternal, err)
		}
		c.original = original
	}
	if f.isSelf(c.original) {
		c.original = netip.AddrPort{} // what the client speaks is unknown
		return record.Fail(record.ReasonNotRedirected, nil)
	}
	c.rec.Original, c.out.original = c.original, c.original
	return nil
}

// bypassWait is how long to wait for a client that should begin with TLS, and may
// turn out to wait for the greeting of a server that is out of scope.
const bypassWait = 3 * time.Second

// errNotTLS marks a connection that is out of scope, before there is a ClientHello.
var errNotTLS = errors.New("the client does not begin with TLS")

// beginsTLS returns errNotTLS for a client that may be bypassed and does not begin
// with TLS where it should.
func (c *conn) beginsTLS() error {
	if !c.mayBypass() || !c.scheme().ImplicitTLS() {
		return nil
	}
	begun, err := clienthello.BeginsWithin(c.Conn.Conn, c.Reader(), bypassWait)
	switch {
	case err != nil:
		return record.Fail(record.ReasonClosedBeforeHello, err)
	case !begun:
		return errNotTLS
	}
	return nil
}

// mayBypass reports whether a connection that is out of scope may be relayed
// to its original destination. What a balancer says of that is trusted for a
// destination that is allowed, and for no other: whoever can speak for the
// balancer could go anywhere.
func (c *conn) mayBypass() bool {
	return c.socket.url.Bypass && c.original.IsValid() && !c.isFromHeader
}

// isUnmatched reports whether err means that the connection is out of scope, so
// that it is bypassed if the listener permits. Once the destination has been
// negotiated with there is no way back.
func (c *conn) isUnmatched(err error) bool {
	if !c.mayBypass() || c.out.conn != nil {
		return false
	}
	return errors.Is(err, errNotTLS) || asFailure(err).Reason.Unmatched()
}
