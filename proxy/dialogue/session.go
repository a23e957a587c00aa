package dialogue

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/tlslift/tlslift/proxy/httpline"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A Session watches one session. It is told what the client sends before the
// destination has it, and what the destination sends before the client has it: a
// reply is always seen after its command.
type Session struct {
	gate  *Gate         // nil if every mail may pass
	moved chan struct{} // has an entry when the client has got something, or a side has ended

	mu        sync.Mutex
	watcher   watcher
	first     *httpline.First // of a mail client; nil for others
	end       end
	isWriting bool // to the client

	isLostTold bool // the Gate was asked for mails whose senders cannot be told
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
	// Negative is the last negative one, for example "550 5.7.60".
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
	s := &Session{watcher: newWatcher(p, greeting)}
	if p != record.ProtocolHTTP {
		s.first = &httpline.First{}
	}
	return s
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
func (s *Session) Client(conn net.Conn) net.Conn {
	return &clientConn{watched: watched{conn}, session: s}
}

// Destination returns the destination's connection, whose end is watched.
func (s *Session) Destination(conn net.Conn) net.Conn { return &destinationConn{watched{conn}, s} }

// Sent takes in what the client has sent before its connection was watched, and the
// destination has not had.
func (s *Session) Sent(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent(p)
}

// sent is Sent. s.mu is held.
func (s *Session) sent(p []byte) {
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

// received takes in what the destination has sent.
func (s *Session) received(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isWriting = true
	s.watcher.fromDestination(p)
}

// passedOn notes that the client has what was received.
func (s *Session) passedOn() {
	s.mu.Lock()
	s.isWriting = false
	s.mu.Unlock()
	s.move()
}

// ended notes how the first of the two sides has ended; err is from using its
// connection.
func (s *Session) ended(by side, err error) {
	// A deadline is no end, and a connection that was closed here was ended by the other.
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return
	}
	defer s.move()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.end.first == 0:
		// Many clients close without an orderly end of their TLS.
		s.end.first, s.end.failed = by, !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
	case s.end.first == by && errors.Is(err, syscall.ECONNRESET):
		s.end.failed = true // one who uses a socket is told of its reset, and the others see an end
	}
}

// A watched is a connection.
type watched struct{ net.Conn }

// CloseWrite half-closes.
func (c watched) CloseWrite() error { return relay.CloseWrite(c.Conn) }

// Truncate half-closes without close_notify.
func (c watched) Truncate() error { return relay.Truncate(c.Conn) }

// NetConn returns the connection that is watched.
func (c watched) NetConn() net.Conn { return c.Conn }

// A clientConn is the client's side, on which both directions are watched.
type clientConn struct {
	watched
	session *Session
	held    heldBack // used by the goroutine that reads
}

func (c *clientConn) Read(p []byte) (int, error) {
	if c.session.gate != nil {
		return c.gated(p)
	}
	n, err := c.Conn.Read(p)
	if isHTTP := c.session.first.Take(p[:n]); isHTTP != nil {
		return 0, isHTTP
	}
	c.session.Sent(p[:n])
	c.session.ended(client, err)
	return n, err
}

func (c *clientConn) Write(p []byte) (int, error) {
	c.session.received(p)
	n, err := c.Conn.Write(p)
	c.session.passedOn()
	c.session.ended(client, err)
	return n, err
}

// A destinationConn is the destination's side.
type destinationConn struct {
	watched
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
