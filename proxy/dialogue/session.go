package dialogue

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A Session watches one session. It is told what the client sends before the
// destination has it, and what the destination sends before the client has it: a
// reply is always seen after its command.
type Session struct {
	mu      sync.Mutex
	watcher watcher
	end     end
	gate    func(sender string) error // nil if every mail may pass
}

// A watcher is what one protocol needs.
type watcher interface {
	fromClient(p []byte)
	fromDestination(p []byte)
	// finding says what became of the session, which has ended in this way.
	finding(e end) Finding
}

// A Finding is what became of a session.
type Finding struct {
	// Replies counts the replies of an SMTP destination; nil for other protocols.
	Replies []record.SMTPReply
	// Negative is the last negative one, as in "550 5.7.60".
	Negative string
	// Accepted counts the mails that were accepted.
	Accepted int
	// Lost means that the dialogue was not understood to its end.
	Lost bool
	// Failure is what went wrong; nil if nothing did.
	Failure *record.Failure
}

// An end says how a session ended.
type end struct {
	first  side
	failed bool // not by an orderly end, but by an error
	idle   bool // neither side ended; no bytes moved any more
}

// cutOff is the end of a session by one side, in the middle of something.
func cutOff(by side, what string) *record.Failure {
	if by == client {
		return record.Fail(record.ReasonClientCutOff, fmt.Errorf("the client ended the session in the middle of %s", what))
	}
	return record.Fail(record.ReasonUpstreamCutOff, fmt.Errorf("the destination ended the session before its reply to %s", what))
}

// idleIn is a session that was ended because no bytes moved, where more had to come.
func idleIn(what string) *record.Failure {
	return record.Fail(record.ReasonIdleTimeout, fmt.Errorf("nothing arrived in the middle of %s", what))
}

// A side is one of the two peers; the zero value is neither.
type side uint8

const (
	client side = iota + 1
	destination
)

// New returns a session that is watched. Greeting means that the destination's
// greeting is still to come; HTTP has none.
func New(p record.Protocol, greeting bool) *Session {
	return &Session{watcher: newWatcher(p, greeting)}
}

func newWatcher(p record.Protocol, greets bool) watcher {
	switch p {
	case record.ProtocolIMAP:
		return newIMAP(greets)
	case record.ProtocolPOP3:
		return newPOP3(greets)
	case record.ProtocolHTTP:
		return newHTTP()
	}
	return newSMTP(greets)
}

// Client returns the client's connection, watched.
func (s *Session) Client(conn net.Conn) net.Conn { return &clientConn{conn, s} }

// Destination returns the destination's connection, whose end is watched.
func (s *Session) Destination(conn net.Conn) net.Conn { return &destinationConn{conn, s} }

// Sent takes in what the client has sent before its connection was watched, and the
// destination has not had.
func (s *Session) Sent(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end.first == destination {
		return // nobody hears it
	}
	s.watcher.fromClient(p)
}

// Finding says what became of the session. Idle means that it was ended because no
// bytes moved.
func (s *Session) Finding(idle bool) Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end.idle = idle
	return s.watcher.finding(s.end)
}

// Gate sets what is asked before each MAIL of an SMTP client reaches the destination,
// with its sender, which is SenderUnknown for all that cannot be told. An error ends the
// client's side.
func (s *Session) Gate(pass func(sender string) error) {
	if w, is := s.watcher.(*smtp); is {
		s.gate, w.keepsSenders = pass, true
	}
}

// pass asks for the mails that the client has begun since it was last asked.
func (s *Session) pass() error {
	if s.gate == nil {
		return nil
	}
	s.mu.Lock()
	w := s.watcher.(*smtp)
	senders := w.senders
	w.senders = nil
	s.mu.Unlock()
	for _, sender := range senders {
		if err := s.gate(sender); err != nil {
			return err
		}
	}
	return nil
}

// received takes in what the destination has sent.
func (s *Session) received(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watcher.fromDestination(p)
}

// ended notes how the first of the two sides has ended; err is from using its
// connection.
func (s *Session) ended(by side, err error) {
	// A deadline is no end, and a connection that was closed here was ended by the other.
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end.first == 0 {
		// Many clients close without an orderly end of their TLS.
		s.end.first, s.end.failed = by, !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
	}
}

// A clientConn is the client's side, on which both directions are watched.
type clientConn struct {
	net.Conn
	session *Session
}

func (c *clientConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.session.Sent(p[:n])
	if err := c.session.pass(); err != nil {
		return 0, err
	}
	c.session.ended(client, err)
	return n, err
}

func (c *clientConn) Write(p []byte) (int, error) {
	c.session.received(p)
	n, err := c.Conn.Write(p)
	c.session.ended(client, err)
	return n, err
}

// CloseWrite half-closes.
func (c *clientConn) CloseWrite() error { return relay.CloseWrite(c.Conn) }

// Truncate half-closes without close_notify.
func (c *clientConn) Truncate() error { return relay.Truncate(c.Conn) }

// NetConn returns the connection that is watched.
func (c *clientConn) NetConn() net.Conn { return c.Conn }

// A destinationConn is the destination's side.
type destinationConn struct {
	net.Conn
	session *Session
}

func (c *destinationConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.session.ended(destination, err)
	return n, err
}

func (c *destinationConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.session.ended(destination, err)
	return n, err
}

// CloseWrite half-closes.
func (c *destinationConn) CloseWrite() error { return relay.CloseWrite(c.Conn) }

// Truncate half-closes without close_notify.
func (c *destinationConn) Truncate() error { return relay.Truncate(c.Conn) }

// NetConn returns the connection that is watched.
func (c *destinationConn) NetConn() net.Conn { return c.Conn }
