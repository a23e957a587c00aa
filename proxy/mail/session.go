package mail

import (
	"context"
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/dialogue"
	"github.com/tlslift/tlslift/proxy/greeting"
	"github.com/tlslift/tlslift/proxy/mail/dialect"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A Destination is how a session reaches its mail server. The errors are
// *record.Failure.
type Destination interface {
	// Dial returns the connection to the destination, which it opens unless it is
	// open.
	Dial(ctx context.Context) (net.Conn, error)
	// Handshake completes TLS on that connection and returns what is inside.
	Handshake(ctx context.Context) (net.Conn, error)
}

// A Config is what New needs. Fields without a documented zero value are required.
type Config struct {
	// Protocol is SMTP, IMAP or POP3.
	Protocol record.Protocol
	// Client is the client's connection.
	Client      *relay.Conn
	Destination Destination
	// ImplicitTLS means that the client's listener or port is for implicit TLS.
	ImplicitTLS bool
	// UpstreamImplicitTLS means that the destination's port is for implicit TLS.
	UpstreamImplicitTLS bool
	// Plaintext means that the client may go on without TLS.
	Plaintext bool
	// GreetingWait is how long to wait for a client that begins with TLS, before
	// the greeting is sent; zero means not at all. It also keeps the greeting apart from the
	// answer to CONNECT: some clients read both together, and lose the second.
	GreetingWait time.Duration
	// Habit is how sessions of the client have begun until now; its zero value is that of
	// a client that is always waited for.
	Habit greeting.Habit
	// Timeout bounds each reply and each write before TLS.
	Timeout time.Duration
	// IdleTimeout bounds each command and each write inside the client's TLS.
	IdleTimeout time.Duration
	// SignIn signs in for the client; nil means that its own sign-in is relayed.
	SignIn *SignIn
}

// A Session is one session of a mail protocol until its bytes are relayed. It is
// used by one goroutine.
type Session struct {
	Config

	client   client
	upstream upstream
	watched  *dialogue.Session // what is said in the relay; nil before
	signedIn *login            // how the client has signed in; nil unless SignIn does it
}

// New prepares a session; nothing is sent or read yet.
func New(cfg Config) *Session {
	s := &Session{Config: cfg}
	s.upstream = upstream{cfg: &s.Config, Dialect: dialect.Of(cfg.Protocol)}
	s.client = client{cfg: &s.Config, Dialect: dialect.Of(cfg.Protocol), upstream: &s.upstream}
	return s
}

// Negotiate carries the session until the client's TLS comes next, or until a
// client that may do without TLS goes on in plaintext. Where the two sides begin
// TLS alike it only repeats what they say. Otherwise the destination's TLS comes
// first, and the client is answered from what the destination offers inside it. The
// error is a *record.Failure.
func (s *Session) Negotiate(ctx context.Context) error {
	s.client.deadline = time.Now().Add(negotiationTimeout)
	if s.ImplicitTLS {
		s.client.phase = clientImplicitTLS
		return nil
	}
	err := s.negotiate(ctx)
	s.learn()
	return err
}

// negotiate is Negotiate for a client that may begin with TLS or not. Who is known for
// waiting is looked at when the destination has been reached, and perhaps for a while then.
func (s *Session) negotiate(ctx context.Context) error {
	began, wait := time.Now(), s.Habit.Wait(s.GreetingWait)
	if wait > 0 && wait == s.GreetingWait {
		if begun, err := s.client.beginsTLS(wait); begun || err != nil {
			return err
		}
	}
	if s.Plaintext || s.UpstreamImplicitTLS {
		if err := s.Secure(ctx); err != nil {
			return err
		}
	} else if err := s.upstream.connect(ctx); err != nil {
		return err
	}
	// Reaching the destination has taken its time, too.
	if begun, err := s.client.beginsTLS(wait - time.Since(began)); begun || err != nil {
		return err
	}
	return s.client.negotiate()
}

// learn notes how the session has begun.
func (s *Session) learn() {
	switch {
	case s.client.spoke:
		s.Habit.Spoke()
	case s.client.commands:
		s.Habit.WasSilent()
	case s.client.phase == clientGreeted:
		s.Habit.Left()
	}
}

// Reach makes the destination ready for TLS to begin: it dials, and negotiates
// STARTTLS on the client's behalf where that has not been done. The error is a
// *record.Failure.
func (s *Session) Reach(ctx context.Context) error { return s.upstream.reach(ctx) }

// Secure goes inside the destination's TLS, unless it is there. The
// destination's greeting is read here when it comes inside TLS and the client
// does not get it by itself. The error is a *record.Failure.
func (s *Session) Secure(ctx context.Context) error {
	if s.upstream.phase == upstreamSecured {
		return nil
	}
	if err := s.upstream.reach(ctx); err != nil {
		return err
	}
	conn, err := s.Destination.Handshake(ctx)
	if err != nil {
		return err
	}
	s.upstream.replace(conn, upstreamSecured)
	if s.UpstreamImplicitTLS && (s.Protocol == record.ProtocolSMTP || s.client.phase != clientImplicitTLS || s.SignIn != nil) {
		return s.upstream.readGreeting()
	}
	return nil
}

// IsPlaintext reports whether the client goes on without TLS.
func (s *Session) IsPlaintext() bool { return s.client.phase == clientPlaintext }

// AwaitsClientHello reports whether TLS is what the client sends and reads next.
func (s *Session) AwaitsClientHello() bool {
	return s.client.phase == clientSTARTTLS || s.client.phase == clientImplicitTLS
}

// ClientSTARTTLS reports whether the client's TLS begins after STARTTLS.
func (s *Session) ClientSTARTTLS() bool { return s.client.phase == clientSTARTTLS }

// UpstreamSTARTTLS reports whether the destination's TLS begins after STARTTLS,
// and nothing of it has been sent yet.
func (s *Session) UpstreamSTARTTLS() bool { return s.upstream.phase == upstreamSTARTTLS }

// IsSecured reports whether the destination's side is inside TLS.
func (s *Session) IsSecured() bool { return s.upstream.phase == upstreamSecured }

// TLSModeMismatch reports whether one side uses implicit TLS and the other
// STARTTLS.
func (s *Session) TLSModeMismatch() bool {
	return (s.client.phase == clientImplicitTLS) != s.UpstreamImplicitTLS
}

// Drop gives up the connection to the destination for another one. What was said
// on it counts no more.
func (s *Session) Drop() {
	s.upstream.conn.Release()
	s.upstream.conn, s.upstream.phase, s.upstream.ehlo = nil, upstreamNew, false
}

// Mailbox returns the mailbox that the client may use, whether or not the sign-in to it
// succeeded, and the login that the client has typed; both are empty before that is known,
// and the login if it needs none.
func (s *Session) Mailbox() (mailbox, login string) {
	if s.signedIn == nil || s.signedIn.mailbox == nil {
		return "", ""
	}
	return s.signedIn.mailbox.Address, s.signedIn.mailbox.Login
}

// Close frees what the session holds. Its connections are their owner's to close.
func (s *Session) Close() {
	s.upstream.conn.Release()
	s.client.inside.Release()
	if s.signedIn != nil {
		s.signedIn.leave()
	}
}
