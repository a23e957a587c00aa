package proxy

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/admission"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/greeting"
	"github.com/tlslift/tlslift/proxy/helloanswer"
	"github.com/tlslift/tlslift/proxy/httpproxy"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/mail"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/refusedhello"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/signin"
)

// serve carries one accepted connection and makes its record. Left is called when all that
// is done, which may be long after serve has returned: an established connection needs no
// goroutine while no bytes move.
func (s *setup) serve(ctx context.Context, from *socket, accepted net.Conn, left func()) {
	ctx, cut := context.WithCancelCause(ctx)
	c := s.newConn(from, accepted, time.Now())
	// A cut-off at shutdown ends whatever the connection waits for.
	stop := context.AfterFunc(ctx, func() {
		relay.Reset(accepted)
		if r := c.relaying.Load(); r != nil {
			r.Wake()
		}
	})
	remove := s.silent.Add(c.Conn, c.rec.Start)
	end := func(err error) {
		s.end(ctx, c, err)
		remove()
		stop()
		cut(nil)
		left()
	}
	if s.cfg.Observer != nil {
		s.cfg.Observer.Opened(from.name)
	}
	err := s.handle(ctx, c, cut)
	if r := c.relaying.Load(); err == nil && r != nil {
		r.Start(func(fromClient, toClient int64, err error) { end(c.relayed(fromClient, toClient, err)) })
		return
	}
	end(err)
}

// end is how a connection ends; err is why, unless it is in order.
func (s *setup) end(ctx context.Context, c *conn, err error) {
	c.place.Leave()
	switch {
	case err == nil || errors.Is(err, httpproxy.ErrServed):
		if errors.Is(err, httpproxy.ErrUnread) {
			s.refuser.letRead(c)
		}
		s.finish(ctx, c, nil)
		return
	case c.out.isLoop.Load():
		err = record.Fail(record.ReasonRedirectLoop, err)
	}
	f := asFailure(err)
	c.rec.Stopped = c.WasEnded()
	s.refuser.refuse(c, f)
	s.finish(ctx, c, f)
}

// handle is the way of a connection, in order: who is it, may it connect,
// which destination does it want, what is said before TLS, what does its
// ClientHello say, and then pass, lift or refuse. To relay comes after it.
func (s *setup) handle(ctx context.Context, c *conn, cut func(error)) error {
	if err := admit(s, c, cut); err != nil {
		return err
	}
	if err := s.finder.original(c); err != nil {
		return err
	}
	if err := s.openTunnel(ctx, c); err != nil {
		return err
	}
	if err := s.finder.beforeHello(ctx, c); err != nil {
		return s.bypass(ctx, c, err)
	}
	if err := c.beginsTLS(); err != nil {
		return s.bypass(ctx, c, err)
	}
	if err := s.negotiateMail(ctx, c); err != nil {
		return err
	}
	if c.mail != nil && c.mail.IsPlaintext() {
		c.place.Settle()
		return s.lifter.liftPlaintext(ctx, c)
	}
	if err := c.peekHello(s.cfg.HandshakeTimeout); err != nil {
		return s.bypass(ctx, c, err)
	}
	if err := s.finder.byHello(ctx, c); err != nil {
		return s.bypass(ctx, c, err)
	}
	s.findSignIn(c)
	c.decision = s.decide(c)
	c.rec.Rule = c.decision.Rule
	c.place.Settle()
	switch c.decision.Action {
	case decide.Refuse:
		return record.Fail(c.decision.Reason, decide.Describe(c.hello, c.decision.Reason))
	case decide.Pass:
		err := s.passer.pass(ctx, c)
		if !errors.Is(err, helloanswer.ErrRefused) {
			return err
		}
		return s.lifter.liftRefused(ctx, c, err)
	default:
		return s.lifter.lift(ctx, c)
	}
}

// admit finds out who the client is and takes a place for it. Cut ends the connection
// when another one gets its place.
func admit(s *setup, c *conn, cut func(error)) error {
	if admission.Within(s.cfg.TrustedProxies, c.rec.Client) {
		awaited := s.admission.Await(c.rec.Client, cut)
		defer awaited.Leave()
		if err := identify(c, s.cfg.HandshakeTimeout); err != nil {
			return err
		}
	}
	s.findOptions(c)
	var err error
	c.place, err = s.admission.Enter(admission.Client{Addr: c.rec.Client, Name: c.options.Name}, cut)
	if err != nil {
		return c.closedOr(err, s.cfg.HandshakeTimeout)
	}
	return nil
}

// findOptions finds what the clients file says of a client.
func (s *setup) findOptions(c *conn) {
	c.options = s.clients.Load().Lookup(c.rec.Client)
	c.rec.ClientName = c.options.Name
	c.legacy = legacytls.LegacySuites{
		RC4: s.cfg.Legacy.RC4 || c.options.RC4, DES: s.cfg.Legacy.DES || c.options.DES,
	}
}

// openTunnel serves the HTTP side of an explicit proxy until the client asks
// for a tunnel: other requests are answered there. The destination is dialled before the client gets the 200, so
// that one that is dead or forbidden is an honest HTTP error.
func (s *setup) openTunnel(ctx context.Context, c *conn) error {
	if c.socket.http == nil {
		return nil
	}
	fetch := func(ctx context.Context, to policy.Destination, secure bool) (net.Conn, error) {
		c.place.Settle() // a request of plain HTTP comes without a hello
		return c.out.fetch(ctx, to, secure)
	}
	tunnel, err := c.socket.http.Read(httpproxy.Client{Conn: c.Conn, Record: c.rec, Plaintext: c.mayBePlaintext(), Dial: fetch})
	var f *record.Failure
	switch {
	case errors.Is(err, httpproxy.ErrServed), errors.As(err, &f):
		return err
	case err != nil:
		return readFailure(err)
	}
	c.tunnel = tunnel
	dest, err := s.finder.check(tunnel.Target)
	if err != nil {
		return err
	}
	c.out.drop() // that of a request before it
	c.out.set(dest)
	if _, err := c.out.Dial(ctx); err != nil {
		return err
	}
	return tunnel.Open(c, s.cfg.HandshakeTimeout)
}

// negotiateMail carries SMTP, IMAP and POP3 until the client is about to begin
// TLS, or goes on without.
func (s *setup) negotiateMail(ctx context.Context, c *conn) error {
	protocol, implicitTLS := c.mailProtocol(), c.scheme().ImplicitTLS()
	if protocol == "" && s.signInFor(c) != nil { // behind CONNECT or a listener for any protocol
		protocol, implicitTLS = mailInside(c), true
	}
	if protocol == "" {
		return nil
	}
	c.rec.Protocol = protocol
	upstreamImplicitTLS := listener.MailPort(c.out.destination.Port).ImplicitTLS()
	if c.original.IsValid() {
		upstreamImplicitTLS = c.scheme().ImplicitTLS()
	}
	c.mail = mail.New(mail.Config{
		Protocol: protocol, Client: c.Conn, Destination: c.out,
		ImplicitTLS: implicitTLS, UpstreamImplicitTLS: upstreamImplicitTLS,
		Plaintext: c.mayBePlaintext(), GreetingWait: c.socket.url.GreetingWait(), Habit: s.habitOf(c),
		Timeout: s.cfg.HandshakeTimeout, IdleTimeout: c.idleTimeout(),
	})
	s.findSignIn(c)
	return c.mail.Negotiate(ctx)
}

// habitOf returns how sessions of the client have begun. One that asks through CONNECT is
// always waited for: the greeting is to come apart from the answer.
func (s *setup) habitOf(c *conn) greeting.Habit {
	if c.tunnel != nil {
		return greeting.Habit{}
	}
	return s.greetings.Of(greeting.Key{Client: c.rec.Client, Listener: c.socket.name, Port: c.original.Port()})
}

// mayBePlaintext reports whether the client may go on without TLS.
func (c *conn) mayBePlaintext() bool {
	if c.options.Plaintext != clientfile.PlaintextUnset {
		return c.options.Plaintext == clientfile.PlaintextAllow
	}
	return c.socket.url.Plaintext
}

// refusedKey identifies the hello of a client, should its destination refuse it.
func refusedKey(c *conn) refusedhello.Key {
	return refusedhello.Key{Client: c.rec.Client, Destination: c.out.destination, Hello: c.hello.FingerprintKey()}
}

// signInFor returns how tlslift signs in for the client at the destination, as far as
// that is known by now; nil if it does not.
func (s *setup) signInFor(c *conn) *mail.SignIn {
	if s.cfg.SignIn == nil || !s.finder.policy.Load().TakesTokens(c.out.destination.Host) {
		return nil
	}
	who := signin.Client{Addr: c.rec.Client, Name: c.options.Name}
	isPointed := c.tunnel == nil && !c.original.IsValid() && c.scheme().Mail() != ""
	if !s.cfg.SignIn.Covers(who, isPointed) {
		return nil
	}
	return &mail.SignIn{Keeper: s.cfg.SignIn, Tokens: s.cfg.Tokens, Client: who}
}

// findSignIn finds it for a mail session.
func (s *setup) findSignIn(c *conn) {
	if c.mail != nil {
		c.mail.SignIn = s.signInFor(c)
	}
}

// decide asks for the decision.
func (s *setup) decide(c *conn) decide.Decision {
	key, now := refusedKey(c), time.Now()
	return decide.Decide(c.hello, decide.Circumstance{
		Legacy:             c.legacy,
		LeafBits:           c.options.Leaf.Bits,
		RefusedBefore:      s.passer.refused.Has(key, now),
		OtherRefusedBefore: c.hello.HasFallbackSCSV() && s.passer.refused.HasOther(key, now),
		TLSModeMismatch:    c.mail != nil && c.mail.TLSModeMismatch(),
		SignIn:             c.mail != nil && c.mail.SignIn != nil,
		ForeignServerName:  c.hasForeignName,
		Mail:               mailInside(c),
	})
}

// bypass relays a connection that is out of scope to its original destination, if
// the listener permits; err is why it is refused otherwise.
func (s *setup) bypass(ctx context.Context, c *conn, err error) error {
	if !c.isUnmatched(err) {
		return err
	}
	c.place.Settle()
	return s.passer.bypass(ctx, c)
}

// finish completes the record of a connection, hands it to the observer, closes the
// connection, and logs it. Who reads the line finds the metrics up to date, and no
// client waits for the log.
func (s *setup) finish(ctx context.Context, c *conn, f *record.Failure) {
	rec := c.rec
	rec.Duration = time.Since(rec.Start)
	if name := s.clients.Load().Lookup(rec.Client).Name; name != "" { // the clients file may have named it since
		rec.ClientName = name
	}
	if f != nil {
		rec.Fail(f)
	}
	var shed *record.Failure
	switch {
	case errors.As(context.Cause(ctx), &shed):
		rec.Fail(shed)
	case ctx.Err() != nil:
		rec.Reason = record.ReasonCutOff
	}
	if s.cfg.Observer != nil {
		s.cfg.Observer.Closed(rec)
	}
	c.close()
	rec.Log(context.WithoutCancel(ctx), s.log)
}
