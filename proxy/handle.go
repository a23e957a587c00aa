package proxy

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
)

// errServed ends a connection that has no TLS to carry: plain HTTP requests
// were answered by the explicit proxy.
var errServed = errors.New("served")

// serve carries one accepted connection and makes its record.
func (s *Server) serve(ctx context.Context, l *socket, conn net.Conn) {
	c := newClient(l, conn, time.Now())
	defer c.close()
	// A cut-off at shutdown ends whatever the connection waits for.
	stop := context.AfterFunc(ctx, func() { reset(conn) })
	defer stop()
	if s.cfg.Observer != nil {
		s.cfg.Observer.Opened(l.name)
	}
	err := s.handle(ctx, c)
	if err != nil && c.looped.Load() {
		err = record.Fail(record.ReasonRedirectLoop, err)
	}
	if err != nil && !errors.Is(err, errServed) {
		s.answer(c, asFailure(err))
	}
	s.record(ctx, c, err)
}

// record completes the record of a connection and hands it to the observer and
// the log, in this order: who reads the line finds the metrics up to date.
func (s *Server) record(ctx context.Context, c *client, err error) {
	rec := c.rec
	rec.Duration = time.Since(rec.Start)
	if err != nil && !errors.Is(err, errServed) {
		rec.Fail(asFailure(err))
	}
	if ctx.Err() != nil {
		rec.Reason = record.ReasonCutOff
	}
	if s.cfg.Observer != nil {
		s.cfg.Observer.Closed(rec)
	}
	s.log.LogAttrs(context.WithoutCancel(ctx), rec.Level(), "connection", rec.Attrs()...)
}

// handle is the way of a connection, in order: who is it, may it connect,
// where does it want to go, what is said before TLS, what does its ClientHello
// say, and then pass, lift or refuse.
func (s *Server) handle(ctx context.Context, c *client) error {
	if err := s.identify(c); err != nil {
		return err
	}
	if err := s.admission.admit(c.rec.Client); err != nil {
		return err
	}
	defer s.admission.leave(c.rec.Client)
	s.findOptions(c)

	if err := s.findOriginal(c); err != nil {
		return err
	}
	if err := s.openTunnel(ctx, c); err != nil {
		return err
	}
	if err := s.findDestination(ctx, c); err != nil {
		return s.passElsewhere(ctx, c, err)
	}
	if err := s.openMail(ctx, c); err != nil {
		return err
	}
	if c.mail != nil && c.mail.plain {
		return s.liftPlain(c)
	}
	if err := s.peekHello(c); err != nil {
		return s.passElsewhere(ctx, c, err)
	}
	if err := s.findDestinationByName(ctx, c); err != nil {
		return s.passElsewhere(ctx, c, err)
	}
	decision := s.decide(c)
	c.rec.Rule = decision.Rule
	switch decision.Action {
	case Refuse:
		return record.Fail(decision.Reason, describe(c.hello, decision.Reason))
	case Pass:
		err := s.pass(ctx, c)
		if !errors.Is(err, errHelloRefused) {
			return err
		}
		return s.liftAfterAll(ctx, c, err)
	default:
		return s.lift(ctx, c)
	}
}

// openTunnel serves the HTTP side of an explicit proxy until the client asks
// for a tunnel. The destination is dialled before the client is told that the
// tunnel stands, so that a dead or forbidden one is an honest HTTP error.
func (s *Server) openTunnel(ctx context.Context, c *client) error {
	if c.listener.explicit == nil {
		return nil
	}
	if err := s.refuseTLS(c); err != nil {
		return err
	}
	if err := c.listener.explicit.request(ctx, c); err != nil {
		return err
	}
	dest, err := s.allowed(c.tunnel.target)
	if err != nil {
		return err
	}
	c.destination = dest
	c.rec.Destination = dest.String()
	if err := s.dial(ctx, c); err != nil {
		return err
	}
	return c.tunnel.established(c, s.cfg.HandshakeTimeout)
}

// allowed is the destination that a client asked for as host:port, if the
// policy allows it.
func (s *Server) allowed(hostport string) (policy.Destination, error) {
	dest, err := policy.ParseDestination(hostport)
	if err == nil {
		dest, err = s.policy.Load().Check(dest.Host, dest.Port)
	}
	if err != nil {
		return policy.Destination{}, policyFailure(err)
	}
	return dest, nil
}

// refuseTLS tells a client that begins TLS on a proxy port.
func (s *Server) refuseTLS(c *client) error {
	if err := c.SetReadDeadline(time.Now().Add(s.cfg.HandshakeTimeout)); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	first, err := c.reader.Peek(1)
	if err != nil {
		return readFailure(err)
	}
	// No HTTP method begins like that.
	if looksTLS(first[0]) {
		return record.Fail(record.ReasonTLSOnProxyPort, nil)
	}
	return c.SetReadDeadline(time.Time{})
}

// looksTLS says whether a connection that begins with this byte begins with a
// ClientHello: in a handshake record, or in SSLv2 format.
func looksTLS(first byte) bool { return first == recordTypeHandshake || first&0x80 != 0 }

// peekHello looks at the ClientHello without consuming it.
func (s *Server) peekHello(c *client) error {
	if err := c.SetReadDeadline(time.Now().Add(s.cfg.HandshakeTimeout)); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	hello, err := clienthello.Peek(c.reader)
	if err != nil {
		return c.helloFailure(err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	c.hello = hello
	if c.mail == nil {
		c.rec.Protocol = record.ProtocolTLS
	}
	c.rec.ServerName = hello.ServerName
	c.rec.OfferedVersion = clienthello.VersionName(hello.MaxVersion())
	c.rec.SSLv2Format = hello.Format == clienthello.SSLv2
	c.rec.JA3, c.rec.JA4 = hello.JA3(), hello.JA4()
	return nil
}

// findDestination fills in the destination that the listener has fixed, and
// that of a redirected client which waits for the destination to speak first.
func (s *Server) findDestination(ctx context.Context, c *client) error {
	if to := c.listener.url.To; to.Host != "" {
		return s.setDestination(c, to.Host, to.Port)
	}
	if c.original.IsValid() && !c.scheme().ImplicitTLS() {
		return s.findDestinationByAddress(ctx, c)
	}
	return s.findOther(c)
}

// findDestinationByName fills in the destination where neither a CONNECT
// request nor the listener has named it: the client's server name tells. It
// counts more than the address that a redirected client was going to, but leads
// only to where we look it up ourselves.
func (s *Server) findDestinationByName(ctx context.Context, c *client) error {
	if c.original.IsValid() {
		return s.findRedirectedByName(ctx, c)
	}
	if c.destination.Host != "" {
		return nil
	}
	if c.hello.ServerName == "" {
		return record.Fail(record.ReasonNoServerName, nil)
	}
	port := c.listener.url.Port
	if port == 0 {
		port = listener.DefaultTLSPort
	}
	return s.setDestination(c, c.hello.ServerName, port)
}

func (s *Server) setDestination(c *client, host string, port uint16) error {
	dest, err := s.policy.Load().Check(host, port)
	if err != nil {
		return policyFailure(err)
	}
	c.destination = dest
	c.rec.Destination = dest.String()
	return nil
}

func (s *Server) decide(c *client) Decision {
	return Decide(c.hello, Circumstance{
		Weak:           s.weak(c),
		RefusedBefore:  s.refusals.has(c.refusalKey(), time.Now()),
		OpeningDiffers: c.mail != nil && c.mail.clientTLS != c.mail.upstreamTLS,
	})
}

// dial opens the connection to the destination unless it is open.
func (s *Server) dial(ctx context.Context, c *client) error {
	if c.upstream != nil {
		return nil
	}
	// Here it is certain that the connection of ours which this one may be is
	// known: TLS has begun in it, or our greeting been waited for.
	if c.looped.Load() || c.original.IsValid() && s.own.cameBack(addrPortOf(c.RemoteAddr()), c.original) {
		return record.Fail(record.ReasonRedirectLoop, nil)
	}
	timed, cancel := context.WithTimeout(ctx, s.cfg.HandshakeTimeout)
	defer cancel()
	conn, err := s.upstream.Dial(timed, c.destination.Host, c.destination.Port)
	if err != nil {
		return upstreamFailure(err)
	}
	c.upstream = conn
	disown := s.own.add(c, conn)
	stop := context.AfterFunc(ctx, func() { reset(conn) })
	c.unguard = func() {
		disown()
		stop()
	}
	return nil
}
