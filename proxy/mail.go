package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/prologue"
	"github.com/tlslift/tlslift/proxy/record"
)

// A mail is what a connection of SMTP, IMAP or POP3 has beside TLS.
type mail struct {
	*prologue.Session
	// clientTLS and upstreamTLS say which side begins with TLS at once, as on
	// ports 465, 993 and 995, and which one in plaintext.
	clientTLS, upstreamTLS bool
	// heard says that the destination's greeting has been read, and started
	// that it expects TLS as the next thing.
	heard, started bool
	// tlsNext says that the client was told to begin TLS, or has begun.
	tlsNext bool
	reading *ahead // what upstream is read by; nil until it is
	secure  *tls.Conn
	// plain says that the client goes on without TLS; pending is what it has
	// said behind the opening.
	plain   bool
	pending []byte
}

// beginsTLSAtOnce says whether the client's destination does.
func (c *client) beginsTLSAtOnce() bool {
	if c.original.IsValid() {
		return c.scheme().ImplicitTLS()
	}
	return listener.MailPort(c.destination.Port).ImplicitTLS()
}

// mailProtocol is the mail protocol of a connection; empty for others.
func (c *client) mailProtocol() record.Protocol {
	if c.tunnel != nil {
		return listener.STARTTLSPort(c.destination.Port)
	}
	return c.scheme().Mail()
}

// openMail carries the plaintext opening of SMTP, IMAP and POP3. After it the
// client is about to begin TLS, or goes on without.
func (s *Server) openMail(ctx context.Context, c *client) error {
	protocol := c.mailProtocol()
	if protocol == "" {
		return nil
	}
	c.rec.Protocol = record.Protocol(protocol)
	c.mail = &mail{Session: prologue.New(protocol), upstreamTLS: c.beginsTLSAtOnce()}
	c.mail.Plaintext = s.allowsPlaintext(c)
	first, err := s.beginsWithTLS(c)
	if err != nil {
		return err
	}
	if !first {
		return s.converse(ctx, c)
	}
	c.mail.clientTLS, c.mail.tlsNext = true, true
	return nil
}

// beginsWithTLS waits a little for a client that begins with TLS where others
// wait for a greeting. It also keeps the greeting apart from the answer to
// CONNECT: some clients read both at once, and lose the second.
func (s *Server) beginsWithTLS(c *client) (bool, error) {
	if c.scheme().ImplicitTLS() {
		return true, nil
	}
	return c.tlsWithin(c.listener.url.GreetingWait())
}

// tlsWithin says whether a client begins with TLS within a time.
func (c *client) tlsWithin(wait time.Duration) (bool, error) {
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return false, record.Fail(record.ReasonClosedBeforeHello, err)
	}
	first, err := c.reader.Peek(1)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return false, record.Fail(record.ReasonClosedBeforeHello, err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return false, record.Fail(record.ReasonClosedBeforeHello, err)
	}
	return len(first) > 0 && looksTLS(first[0]), nil
}

// aMoment is enough to see what has arrived already.
const aMoment = time.Millisecond

// converse carries the opening between the client and the destination. Where
// the two sides begin TLS alike it only repeats what they say. Otherwise the
// destination's TLS comes first, and the client is answered from what the
// destination offers inside it.
func (s *Server) converse(ctx context.Context, c *client) error {
	m := c.mail
	if m.Plaintext || m.upstreamTLS {
		if _, err := s.secureUpstream(ctx, c); err != nil {
			return err
		}
	} else if err := s.reachGreeting(ctx, c); err != nil {
		return err
	}
	// Reaching the destination took its time, too.
	late, err := c.tlsWithin(aMoment)
	if err != nil || late {
		m.clientTLS, m.tlsNext = late, late
		return err
	}
	m.Client = prologue.Side{Conn: c.Conn, Reader: c.reader, Timeout: s.cfg.HandshakeTimeout}
	next, pending, err := m.Converse()
	if err != nil {
		return openingFailure(err)
	}
	m.plain, m.pending = next == prologue.Plain, pending
	m.tlsNext = !m.plain
	if m.secure == nil {
		m.started = true
		m.reading.release() // it is empty: nothing may follow the reply to STARTTLS
	}
	return nil
}

// reachGreeting dials the destination and reads its greeting, unless that has
// been done.
func (s *Server) reachGreeting(ctx context.Context, c *client) error {
	if c.mail.heard {
		return nil
	}
	if err := s.dial(ctx, c); err != nil {
		return err
	}
	c.mail.replace(c.upstream, s.cfg.HandshakeTimeout)
	if err := c.mail.Greet(); err != nil {
		return openingFailure(err)
	}
	c.mail.heard = true
	return nil
}

// replace begins the destination's side of the opening on conn.
func (m *mail) replace(conn net.Conn, timeout time.Duration) {
	m.reading.release()
	m.reading = newAhead(conn)
	m.Replace(m.reading.side(timeout))
}

// reach makes the destination ready for TLS to begin: it dials, and says the
// opening on the client's behalf where it has not been said yet.
func (s *Server) reach(ctx context.Context, c *client) error {
	if c.mail == nil || c.mail.upstreamTLS || c.mail.started {
		return s.dial(ctx, c)
	}
	if err := s.reachGreeting(ctx, c); err != nil {
		return err
	}
	if c.mail.Name == "" {
		c.mail.Name = addressLiteral(c.upstream)
	}
	if err := c.mail.StartTLS(); err != nil {
		return openingFailure(err)
	}
	c.mail.started = true
	c.mail.reading.release()
	return nil
}

// addressLiteral is our own name where the client has given none (RFC 5321
// section 4.1.3).
func addressLiteral(conn net.Conn) string {
	tcp, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	addr := tcp.AddrPort().Addr().Unmap()
	if addr.Is6() {
		return "[IPv6:" + addr.WithZone("").String() + "]"
	}
	return "[" + addr.String() + "]"
}

// secured goes on inside the destination's TLS. Its greeting is read here when
// it comes inside TLS and the client does not get it by itself.
func (m *mail) secured(conn *tls.Conn, timeout time.Duration) error {
	m.reading.release()
	m.secure, m.reading = conn, newAhead(conn)
	m.Secure(m.reading.side(timeout))
	if m.upstreamTLS && (m.Protocol == record.ProtocolSMTP || !m.clientTLS) {
		if err := m.Greet(); err != nil {
			return openingFailure(err)
		}
	}
	return nil
}

// dropUpstream gives up the connection to the destination for another one.
func (c *client) dropUpstream() {
	if c.upstream != nil {
		c.unguard()
		_ = c.upstream.Close()
		c.upstream = nil
	}
	c.rec.UpstreamTLS = nil // it says nothing about the next one
	if c.mail != nil {
		c.mail.secure, c.mail.heard, c.mail.started = nil, false, false
	}
}

// liftMail goes on inside the client's TLS.
func (s *Server) liftMail(c *client) error {
	m := c.mail
	meter := &replyMeter{}
	down := newAhead(m.metered(lifted{c.inside, c.Conn}, meter))
	defer down.release()
	var err error
	if m.pending, err = m.Resume(down.side(s.cfg.IdleTimeout)); err != nil {
		return s.resumeFailure(c, err)
	}
	return s.relayMail(c, down, meter)
}

// resumeFailure tells a client that goes away after its handshake, which is an
// ordinary end, from what goes wrong.
func (s *Server) resumeFailure(c *client, err error) error {
	f := openingFailure(err)
	switch f.Reason {
	case record.ReasonClosedBeforeTLS:
		c.rec.Outcome = record.OutcomeLifted
		return relayFailure(c.rec, err)
	case record.ReasonHelloTimeout:
		f.Reason = record.ReasonIdleTimeout
	}
	return f
}

// liftPlain goes on with a client that does without TLS.
func (s *Server) liftPlain(c *client) error {
	c.rec.Rule = record.RulePlaintext
	meter := &replyMeter{}
	return s.relayMail(c, c.mail.metered(c, meter), meter)
}

// metered is the client's side of a session, with SMTP under a meter.
func (m *mail) metered(down net.Conn, meter *replyMeter) net.Conn {
	if m.Protocol != record.ProtocolSMTP {
		return down
	}
	return metered{down, meter}
}

// relayMail relays between the client and the destination's TLS. Of SMTP it
// counts the replies, and says why mail was not taken.
func (s *Server) relayMail(c *client, down net.Conn, meter *replyMeter) error {
	m := c.mail
	c.rec.Outcome = record.OutcomeLifted
	if err := m.sendPending(s.cfg.HandshakeTimeout); err != nil {
		return relayFailure(c.rec, err)
	}
	c.rec.BytesFromClient = int64(len(m.pending))
	err := s.relayBetween(c, down, m.reading)
	c.rec.SMTPReplies, c.rec.SMTPReply = meter.counts, meter.negative
	if err == nil && meter.reason != "" {
		return record.Fail(meter.reason, nil)
	}
	return err
}

// sendPending sends what the client has said behind the opening.
func (m *mail) sendPending(timeout time.Duration) error {
	if len(m.pending) == 0 {
		return nil
	}
	if err := m.secure.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := m.secure.Write(m.pending); err != nil {
		return err
	}
	return m.secure.SetWriteDeadline(time.Time{})
}

// openingFailure gives the end of an opening its reason.
func openingFailure(err error) *record.Failure {
	var p *prologue.Error
	if !errors.As(err, &p) {
		return record.Fail(record.ReasonInternal, err)
	}
	f := record.Fail(openingReasons[p.Kind], err)
	f.Replied, f.Reply = p.Told, p.Reply
	return f
}

// openingReasons maps what went wrong before TLS.
var openingReasons = map[prologue.Kind]record.Reason{
	prologue.ClientSilent:         record.ReasonClosedBeforeHello,
	prologue.ClientClosed:         record.ReasonClosedBeforeTLS,
	prologue.ClientTimeout:        record.ReasonHelloTimeout,
	prologue.ClientMalformed:      record.ReasonMalformedBeforeTLS,
	prologue.PlaintextRefused:     record.ReasonPlaintextNotAllowed,
	prologue.CommandAfterStartTLS: record.ReasonCommandAfterStartTLS,
	prologue.TLSBeforeStartTLS:    record.ReasonTLSBeforeStartTLS,
	prologue.ProxyHeader:          record.ReasonProxyHeaderUntrusted,
	prologue.UpstreamClosed:       record.ReasonUpstreamClosed,
	prologue.UpstreamTimeout:      record.ReasonUpstreamTimeout,
	prologue.UpstreamMalformed:    record.ReasonUpstreamReplyMalformed,
	prologue.UpstreamInjected:     record.ReasonUpstreamReplyInjected,
	prologue.UpstreamNoStartTLS:   record.ReasonUpstreamNoStartTLS,
	prologue.UpstreamRefused:      record.ReasonUpstreamRefusedSession,
}
