package mail

import (
	"context"
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
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
	// the greeting is sent. It also keeps the greeting apart from the answer to
	// CONNECT: some clients read both at once, and lose the second.
	GreetingWait time.Duration
	// Timeout bounds each command, each reply and each write before TLS.
	Timeout time.Duration
	// IdleTimeout bounds the same inside the client's TLS.
	IdleTimeout time.Duration
}

// A clientPhase is where the client's side of a session is.
type clientPhase uint8

const (
	clientNew         clientPhase = iota // nothing has been sent or read
	clientGreeted                        // it has the greeting, and negotiates
	clientSTARTTLS                       // its next byte is TLS, after STARTTLS
	clientImplicitTLS                    // it began with TLS
	clientPlaintext                      // it goes on without TLS
)

// An upstreamPhase is where the destination's side of a session is.
type upstreamPhase uint8

const (
	upstreamNew         upstreamPhase = iota // nothing has been sent or read
	upstreamNegotiating                      // its greeting has been read
	upstreamSTARTTLS                         // its next byte is TLS, after STARTTLS
	upstreamSecured                          // it is inside TLS
)

// A Session is one session of a mail protocol until its bytes are relayed. It is
// used by one goroutine.
type Session struct {
	Config

	dialect
	client   clientPhase
	upstream upstreamPhase

	up       *relay.Conn // the destination's connection, or what is inside its TLS; nil until it is read
	inside   *relay.Conn // what is inside the client's TLS; nil until it is read
	greeting reply       // the destination's; no lines until it has been read
	name     string      // the client's name towards an SMTP destination; empty until it has given one
	ehlo     bool        // the destination has had its EHLO since up was last replaced
	rejected int         // how often the client was told to use TLS
	pending  []byte      // a command of the client that the destination has not had
	meter    *replyMeter // what an SMTP destination has replied in the relay; nil before
}

// New prepares a session; nothing is sent or read yet.
func New(cfg Config) *Session {
	return &Session{Config: cfg, dialect: dialectOf(cfg.Protocol)}
}

// Negotiate carries the session until the client's TLS comes next, or until a
// client that may do without TLS goes on in plaintext. Where the two sides begin
// TLS alike it only repeats what they say. Otherwise the destination's TLS comes
// first, and the client is answered from what the destination offers inside it. The
// error is a *record.Failure.
func (s *Session) Negotiate(ctx context.Context) error {
	if s.ImplicitTLS {
		s.client = clientImplicitTLS
		return nil
	}
	if begun, err := s.clientBeginsTLS(s.GreetingWait); begun || err != nil {
		return err
	}
	if s.Plaintext || s.UpstreamImplicitTLS {
		if err := s.Secure(ctx); err != nil {
			return err
		}
	} else if err := s.readGreeting(ctx); err != nil {
		return err
	}
	// Reaching the destination has taken its time, too.
	if begun, err := s.clientBeginsTLS(aMoment); begun || err != nil {
		return err
	}
	return s.negotiate()
}

// aMoment is enough to see what has arrived already.
const aMoment = time.Millisecond

// clientBeginsTLS reports whether the client begins with TLS within a time.
func (s *Session) clientBeginsTLS(wait time.Duration) (bool, error) {
	begun, err := clienthello.BeginsWithin(s.Client.Conn, s.Client.Reader(), wait)
	if err != nil {
		return false, record.Fail(record.ReasonClosedBeforeHello, err)
	}
	if begun {
		s.client = clientImplicitTLS
	}
	return begun, nil
}

// IsPlaintext reports whether the client goes on without TLS.
func (s *Session) IsPlaintext() bool { return s.client == clientPlaintext }

// AwaitsClientHello reports whether TLS is what the client sends and reads next.
func (s *Session) AwaitsClientHello() bool {
	return s.client == clientSTARTTLS || s.client == clientImplicitTLS
}

// ClientSTARTTLS reports whether the client's TLS begins after STARTTLS.
func (s *Session) ClientSTARTTLS() bool { return s.client == clientSTARTTLS }

// UpstreamSTARTTLS reports whether the destination's TLS begins after STARTTLS,
// and nothing of it has been sent yet.
func (s *Session) UpstreamSTARTTLS() bool { return s.upstream == upstreamSTARTTLS }

// IsSecured reports whether the destination's side is inside TLS.
func (s *Session) IsSecured() bool { return s.upstream == upstreamSecured }

// TLSModeMismatch reports whether one side uses implicit TLS and the other
// STARTTLS.
func (s *Session) TLSModeMismatch() bool {
	return (s.client == clientImplicitTLS) != s.UpstreamImplicitTLS
}

// Drop gives up the connection to the destination for another one. What was said
// on it counts no more.
func (s *Session) Drop() {
	s.up.Release()
	s.up, s.upstream, s.ehlo = nil, upstreamNew, false
}

// Close frees what the session holds. Its connections are their owner's to close.
func (s *Session) Close() {
	s.up.Release()
	s.inside.Release()
}
