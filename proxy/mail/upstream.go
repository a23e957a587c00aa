package mail

import (
	"context"
	"errors"
	"net"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// Reach makes the destination ready for TLS to begin: it dials, and negotiates
// STARTTLS on the client's behalf where that has not been done. The error is a
// *record.Failure.
func (s *Session) Reach(ctx context.Context) error {
	if s.UpstreamImplicitTLS || s.upstream == upstreamSTARTTLS {
		_, err := s.Destination.Dial(ctx)
		return err
	}
	if err := s.readGreeting(ctx); err != nil {
		return err
	}
	return s.startTLS()
}

// Secure goes inside the destination's TLS, unless it is there. The
// destination's greeting is read here when it comes inside TLS and the client
// does not get it by itself. The error is a *record.Failure.
func (s *Session) Secure(ctx context.Context) error {
	if s.upstream == upstreamSecured {
		return nil
	}
	if err := s.Reach(ctx); err != nil {
		return err
	}
	conn, err := s.Destination.Handshake(ctx)
	if err != nil {
		return err
	}
	s.replaceUpstream(conn, upstreamSecured)
	if s.UpstreamImplicitTLS && (s.Protocol == record.ProtocolSMTP || s.client != clientImplicitTLS) {
		return s.greet()
	}
	return nil
}

// replaceUpstream goes on with the destination on conn, where nothing that was said
// before counts (RFC 3207 section 4.2).
func (s *Session) replaceUpstream(conn net.Conn, phase upstreamPhase) {
	s.up.Release()
	s.up, s.upstream, s.ehlo = relay.NewConn(conn), phase, false
}

// readGreeting dials the destination and reads its greeting, unless that has
// been done.
func (s *Session) readGreeting(ctx context.Context) error {
	if s.upstream != upstreamNew {
		return nil
	}
	conn, err := s.Destination.Dial(ctx)
	if err != nil {
		return err
	}
	s.replaceUpstream(conn, upstreamNegotiating)
	return s.greet()
}

// greet reads the greeting.
func (s *Session) greet() error {
	up := s.upstreamSide()
	defer up.clear()
	r, err := up.read(s.dialect, command{})
	if err != nil {
		return err
	}
	if !r.ok {
		return rejection(r.bytes())
	}
	s.greeting = r
	return nil
}

// startTLS asks the destination to begin TLS on the client's behalf. After it
// the next byte on the destination's side is TLS.
func (s *Session) startTLS() error {
	up := s.upstreamSide()
	defer up.clear()
	_, err := s.beginTLS(up, s.startTLSCommand())
	if f := (*record.Failure)(nil); s.Protocol == record.ProtocolIMAP && errors.As(err, &f) {
		f.Reply = nil // its tag is ours, and means nothing to the client
	}
	return err
}

// beginTLS sends STARTTLS and makes sure that nothing but its reply came back:
// what a third party put after it must not pass for something said inside TLS.
func (s *Session) beginTLS(up *side, cmd command) (reply, error) {
	if err := s.introduce(up); err != nil {
		return reply{}, err
	}
	r, err := s.ask(up, cmd)
	switch {
	case err != nil:
		return r, err
	case !r.ok:
		f := rejection(r.bytes())
		f.Reason = record.ReasonUpstreamNoStartTLS
		if s.Protocol == record.ProtocolSMTP && r.lines[len(r.lines)-1][0] == '2' {
			f.Reply = nil // positive, but not the 220 that lets TLS begin
		}
		return r, f
	case !up.isDrained():
		return r, record.Fail(record.ReasonUpstreamReplyInjected, errors.New("bytes follow the destination's reply to STARTTLS"))
	}
	s.upstream = upstreamSTARTTLS
	s.up.Release() // it is empty
	return r, nil
}

// introduce sends an SMTP destination the EHLO that the client has not sent,
// because it uses HELO or nothing: without it there are no extensions.
func (s *Session) introduce(up *side) error {
	if s.Protocol != record.ProtocolSMTP || s.ehlo {
		return nil
	}
	if s.name == "" {
		s.name = addressLiteral(up.conn)
	}
	r, err := s.ask(up, smtp{}.parse([]byte("EHLO "+s.name)))
	if err == nil && !r.ok {
		err = rejection(r.bytes())
	}
	return err
}

// addressLiteral returns our own name where the client has given none (RFC 5321
// section 4.1.3); empty where the connection has no address.
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

// ask sends a command and reads the reply to it.
func (s *Session) ask(up *side, cmd command) (reply, error) {
	// An IMAP server may send what it likes at any time (RFC 9051 section 7),
	// but not where it could pass for the reply to STARTTLS.
	if !up.isDrained() && (s.Protocol != record.ProtocolIMAP || cmd.kind == startTLS) {
		return reply{}, record.Fail(record.ReasonUpstreamReplyInjected, errors.New("the destination sent a reply without being asked"))
	}
	if err := up.write([]byte(cmd.line + "\r\n")); err != nil {
		return reply{}, err
	}
	r, err := up.read(s.dialect, cmd)
	if err != nil {
		return r, err
	}
	if cmd.kind == hello && r.ok {
		s.name, s.ehlo = cmd.name, cmd.verb == "EHLO"
	}
	if lists, offered := s.offers(cmd, r); lists && !offered && s.upstream != upstreamSecured {
		return r, record.Fail(record.ReasonUpstreamNoStartTLS, errors.New("STARTTLS is not among what the destination offers"))
	}
	return r, nil
}
