package mail

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/dialogue"
	"github.com/tlslift/tlslift/proxy/mail/dialect"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// Resume goes on inside the client's TLS, or without it for a client in
// plaintext, to the point from which both sides are relayed: it returns the two,
// and how many bytes of the client have been sent to the destination already. The
// destination's side must be secured.
//
// The error is a *record.Failure. A client that closes inside its TLS, which is an
// ordinary end, has the reason closed_before_tls.
func (s *Session) Resume(ctx context.Context, client net.Conn) (down, up net.Conn, sent int64, err error) {
	if s.SignIn != nil {
		return s.resumeSignedIn(ctx, client)
	}
	s.watched = dialogue.New(s.Protocol, s.client.phase == clientImplicitTLS)
	down, up = s.watched.Client(client), s.watched.Destination(s.upstream.conn)
	if s.client.phase != clientPlaintext {
		s.client.inside = relay.NewConn(down)
		if err := s.client.resume(s.client.insideSide()); err != nil {
			return nil, nil, 0, err
		}
		down = s.client.inside
	} else {
		s.watched.Sent(s.client.pending)
	}
	sent = int64(len(s.client.pending))
	if err := s.sendPending(); err != nil {
		return down, up, 0, record.Fail(record.ReasonRelayBroken, err)
	}
	return down, up, sent, nil
}

// resumeSignedIn is Resume for a client that signs in here first. What is said until then
// is not watched: it is our own.
func (s *Session) resumeSignedIn(ctx context.Context, client net.Conn) (down, up net.Conn, sent int64, err error) {
	if err := s.signIn(ctx, client); err != nil {
		return nil, nil, 0, err
	}
	if early := s.client.pending; early != nil {
		s.client.inside.Unread(early)
		s.client.pending = nil
	}
	s.watched = dialogue.New(s.Protocol, false)
	s.watched.Gate(s.signedIn.gate(ctx))
	client = s.client.inside
	if s.Protocol != record.ProtocolSMTP {
		client = &signedInClient{Conn: s.client.inside, protocol: s.Protocol}
	}
	return s.watched.Client(client), s.watched.Destination(s.upstream.conn), 0, nil
}

// signIn has the client sign in.
func (s *Session) signIn(ctx context.Context, client net.Conn) error {
	s.client.inside = s.Client
	if s.client.phase != clientPlaintext {
		s.client.inside = relay.NewConn(client)
	}
	near := s.client.insideSide()
	near.timeout, near.deadline = commandTimeout, time.Now().Add(negotiationTimeout)
	s.signedIn = &login{SignIn: *s.SignIn, client: &s.client, near: near, up: s.upstream.side()}
	return s.signedIn.run(ctx)
}

// resume is what comes first inside the client's TLS: the greeting if the client
// has had none and, with SMTP, an EHLO. A client that does not repeat its EHLO
// after STARTTLS gets one on its behalf, since the destination has not had
// the first (RFC 3207 section 4.2); a name in it that servers reject is adapted.
func (c *client) resume(client *side) error {
	defer client.clear()
	if c.upstream.greeting.Lines != nil {
		if err := c.greet(client); err != nil {
			return err
		}
	}
	if c.cfg.Protocol != record.ProtocolSMTP {
		return nil
	}
	up := c.upstream.side()
	defer up.clear()
	if err := client.begin(); err != nil {
		return err
	}
	line, err := client.line()
	switch { // what it sends inside its TLS is for the destination to judge
	case errors.Is(err, errLineTooLong):
		c.pending = append(c.pending, line...)
		return c.upstream.introduce(up)
	case err != nil && !errors.Is(err, errControl):
		return err
	}
	c.pending = append(append(c.pending, line...), "\r\n"...)
	cmd := c.Parse(line)
	if cmd.Kind != dialect.Hello {
		return c.upstream.introduce(up)
	}
	c.pending = nil
	r, err := c.hello(up, cmd)
	if err != nil {
		return err
	}
	return client.write(r.Bytes())
}

// hello carries EHLO and HELO. After HELO the destination would have no
// extensions, not even signing in, so it hears EHLO, and the client gets one line.
func (c *client) hello(up *side, cmd dialect.Command) (dialect.Reply, error) {
	if cmd.Verb == "EHLO" {
		return c.upstream.ask(up, cmd)
	}
	r, err := c.upstream.ask(up, c.Parse([]byte("EHLO "+cmd.Name)))
	switch {
	case err != nil:
		return r, err
	case r.OK:
		first := r.Lines[0]
		return dialect.Reply{Lines: [][]byte{append([]byte("250 "), first[min(4, len(first)):]...)}, OK: true}, nil
	case r.Lines[0][0] == '5':
		return c.upstream.ask(up, cmd) // it knows no EHLO
	}
	return r, nil
}

// sendPending sends the command that the destination has not had.
func (s *Session) sendPending() error {
	if len(s.client.pending) == 0 {
		return nil
	}
	if err := s.upstream.conn.SetWriteDeadline(time.Now().Add(s.Timeout)); err != nil {
		return err
	}
	_, err := s.upstream.conn.Write(s.client.pending)
	clear(s.client.pending) // it can be a sign-in
	s.client.pending = nil
	if err != nil {
		return err
	}
	return s.upstream.conn.SetWriteDeadline(time.Time{})
}

// Finding says what became of the relayed session, which was idle at the end or not.
func (s *Session) Finding(idle bool) dialogue.Finding {
	found := s.watched.Finding(idle)
	if s.signedIn != nil && s.signedIn.failure != nil {
		found.Failure = s.signedIn.failure
	}
	return found
}
