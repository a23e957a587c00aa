package mail

import (
	"context"
	"errors"
	"net"

	"github.com/tlslift/tlslift/proxy/mail/dialect"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// An upstreamPhase is where the destination's side of a session is.
type upstreamPhase uint8

const (
	upstreamNew         upstreamPhase = iota // nothing has been sent or read
	upstreamNegotiating                      // its greeting has been read
	upstreamSTARTTLS                         // its next byte is TLS, after STARTTLS
	upstreamSecured                          // it is inside TLS
)

// An upstream is the destination's side of a session.
type upstream struct {
	cfg *Config
	dialect.Dialect
	phase    upstreamPhase
	conn     *relay.Conn   // or what is inside its TLS; nil until it is read
	greeting dialect.Reply // no lines until it has been read
	name     string        // the client's name towards an SMTP destination; empty until it has given one
	ehlo     bool          // it has had its EHLO since conn was last replaced
}

// reach makes the destination ready for TLS to begin: it dials, and negotiates
// STARTTLS on the client's behalf where that has not been done.
func (u *upstream) reach(ctx context.Context) error {
	if u.cfg.UpstreamImplicitTLS || u.phase == upstreamSTARTTLS {
		_, err := u.cfg.Destination.Dial(ctx)
		return err
	}
	if err := u.connect(ctx); err != nil {
		return err
	}
	return u.startTLS()
}

// replace goes on with the destination on conn, where nothing that was said
// before counts (RFC 3207 section 4.2).
func (u *upstream) replace(conn net.Conn, phase upstreamPhase) {
	u.conn.Release()
	u.conn, u.phase, u.ehlo = relay.NewConn(conn), phase, false
}

// connect dials the destination and reads its greeting, unless that has
// been done.
func (u *upstream) connect(ctx context.Context) error {
	if u.phase != upstreamNew {
		return nil
	}
	conn, err := u.cfg.Destination.Dial(ctx)
	if err != nil {
		return err
	}
	u.replace(conn, upstreamNegotiating)
	return u.readGreeting()
}

// readGreeting reads the greeting.
func (u *upstream) readGreeting() error {
	up := u.side()
	defer up.clear()
	r, err := up.read(u.Dialect, dialect.Command{})
	if err != nil {
		return err
	}
	if !r.OK {
		return rejection(r.Bytes())
	}
	u.greeting = r
	return nil
}

// startTLS asks the destination to begin TLS on the client's behalf. After it
// the next byte on the destination's side is TLS.
func (u *upstream) startTLS() error {
	up := u.side()
	defer up.clear()
	if u.name == "" {
		u.name = addressLiteral(up.conn)
	}
	_, err := u.beginTLS(up, u.StartTLSCommand())
	if f := (*record.Failure)(nil); u.cfg.Protocol == record.ProtocolIMAP && errors.As(err, &f) {
		f.Reply = nil // its tag is ours, and means nothing to the client
	}
	return err
}

// beginTLS sends STARTTLS and makes sure that nothing but its reply came back:
// what a third party put after it must not pass for something said inside TLS.
func (u *upstream) beginTLS(up *side, cmd dialect.Command) (dialect.Reply, error) {
	if err := u.introduce(up); err != nil {
		return dialect.Reply{}, err
	}
	r, err := u.ask(up, cmd)
	switch {
	case err != nil:
		return r, err
	case !r.OK:
		f := rejection(r.Bytes())
		if u.Closes(r) {
			return r, f
		}
		f.Reason = record.ReasonUpstreamNoStartTLS
		if u.cfg.Protocol == record.ProtocolSMTP && r.Lines[len(r.Lines)-1][0] == '2' {
			f.Reply = nil // positive, but not the 220 that lets TLS begin
		}
		return r, f
	case !up.isDrained():
		return r, record.Fail(record.ReasonUpstreamReplyInjected, errors.New("bytes follow the destination's reply to STARTTLS"))
	}
	u.phase = upstreamSTARTTLS
	u.conn.Release() // it is empty
	return r, nil
}

// introduce sends an SMTP destination the EHLO that the client has not sent,
// because it uses HELO or nothing: without it there are no extensions.
func (u *upstream) introduce(up *side) error {
	if u.cfg.Protocol != record.ProtocolSMTP || u.ehlo {
		return nil
	}
	r, err := u.ask(up, u.Parse([]byte("EHLO "+u.name)))
	if err == nil && !r.OK {
		err = rejection(r.Bytes())
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

// checkDrained makes sure that what the destination sends next is its reply to a command.
func (u *upstream) checkDrained(up *side, cmd dialect.Command) (dialect.Reply, error) {
	// An IMAP server may send what it likes at any time (RFC 9051 section 7),
	// but not where it could pass for the reply to STARTTLS.
	if up.isDrained() || u.cfg.Protocol == record.ProtocolIMAP && cmd.Kind != dialect.StartTLS {
		return dialect.Reply{}, nil
	}
	if u.cfg.Protocol == record.ProtocolSMTP {
		if r, err := up.read(u.Dialect, cmd); err == nil && u.Closes(r) {
			return r, rejection(r.Bytes())
		}
	}
	return dialect.Reply{}, record.Fail(record.ReasonUpstreamReplyInjected, errors.New("the destination sent a reply without being asked"))
}

// ask sends a command and reads the reply to it.
func (u *upstream) ask(up *side, cmd dialect.Command) (dialect.Reply, error) {
	if r, err := u.checkDrained(up, cmd); err != nil {
		return r, err
	}
	if err := up.write([]byte(cmd.Line + "\r\n")); err != nil {
		return dialect.Reply{}, err
	}
	r, err := up.read(u.Dialect, cmd)
	if err != nil && u.Closes(r) {
		return r, rejection(r.Bytes())
	}
	if err != nil {
		return r, err
	}
	if cmd.Kind == dialect.Hello && r.OK {
		u.name, u.ehlo = cmd.Name, cmd.Verb == "EHLO"
	}
	if lists, offered := u.Offers(cmd, r); lists && !offered && u.phase != upstreamSecured {
		return r, record.Fail(record.ReasonUpstreamNoStartTLS, errors.New("STARTTLS is not among what the destination offers"))
	}
	return r, nil
}
