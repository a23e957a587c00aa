package relay

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// BufferSize is the size of a Conn's reader: what a stage may look at, or leave
// unread, before the bytes are relayed. A TLS ClientHello fits, unless it is a strange
// one: MaxBufferSize is what the reader grows to for that.
const (
	BufferSize    = 16 << 10
	MaxBufferSize = 68 << 10
)

// readers holds the readers between connections: a reader is only needed until
// its bytes are relayed, and 16 KiB for every open connection would be most of the
// memory that a relayed connection costs.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, BufferSize) }}

// A Conn is a connection with its one buffered reader. Each stage peeks at that
// reader or reads from it, and the relay drains it. Read always gives the bytes
// of the connection in order.
type Conn struct {
	net.Conn

	reader *bufio.Reader // nil once drained
	source source        // what reader reads from
	ended  atomic.Bool   // by EndRead
}

// A source reads bytes that were put back, then the connection.
type source struct {
	unread  []byte
	conn    net.Conn
	hasRead atomic.Bool // anything
}

func (s *source) Read(p []byte) (int, error) {
	if len(s.unread) > 0 {
		n := copy(p, s.unread)
		s.unread = s.unread[n:]
		return n, nil
	}
	n, err := s.conn.Read(p)
	if n > 0 {
		s.hasRead.Store(true)
	}
	return n, err
}

// HasRead reports whether anything was read from the connection.
func (c *Conn) HasRead() bool { return c.source.hasRead.Load() }

// Heard makes HasRead report that.
func (c *Conn) Heard() { c.source.hasRead.Store(true) }

// EndRead lets who reads find the end of the connection, if nothing has arrived.
func (c *Conn) EndRead() {
	if half, ok := c.source.conn.(interface{ CloseRead() error }); ok {
		c.ended.Store(true)  // before anybody finds the end
		_ = half.CloseRead() // it has ended by itself
	}
}

// WasEnded reports whether EndRead has ended the connection before anything was read.
func (c *Conn) WasEnded() bool { return c.ended.Load() && !c.HasRead() }

// NewConn gives conn a reader. Release frees it.
func NewConn(conn net.Conn) *Conn {
	c := &Conn{Conn: conn, source: source{conn: conn}}
	c.takeReader()
	return c
}

func (c *Conn) takeReader() {
	c.reader = readers.Get().(*bufio.Reader)
	c.reader.Reset(&c.source)
}

// Reader returns the reader. It is nil after Release, Take, or a Read that has
// drained it.
func (c *Conn) Reader() *bufio.Reader { return c.reader }

// Peek returns the next n bytes without consuming them, as that of the reader does, but
// for its size: the reader grows when it is full. A client that only says how much it
// will send costs no more than any other.
func (c *Conn) Peek(n int) ([]byte, error) {
	for n > c.reader.Size() && c.reader.Size() < MaxBufferSize {
		if early, err := c.reader.Peek(c.reader.Size()); err != nil {
			return early, err
		}
		larger := bufio.NewReaderSize(&c.source, min(2*c.reader.Size(), MaxBufferSize))
		c.source.unread = c.Take()
		c.reader = larger
	}
	return c.reader.Peek(n)
}

// Buffered returns how many bytes Peek returns without waiting.
func (c *Conn) Buffered() int { return c.reader.Buffered() }

// Read gives what was peeked or put back first, then the connection's own
// bytes; from then on the reader's buffer is free for another connection.
func (c *Conn) Read(p []byte) (int, error) {
	if c.reader == nil {
		return c.source.Read(p)
	}
	if c.holdsBytes() {
		return c.reader.Read(p)
	}
	c.Release()
	return c.source.Read(p)
}

// holdsBytes reports whether Read gives bytes that were read before.
func (c *Conn) holdsBytes() bool {
	return c.reader != nil && c.reader.Buffered() > 0 || len(c.source.unread) > 0
}

// AwaitLine waits until the reader has a whole line of at most limit bytes, if
// the connection begins with prefix. It consumes nothing, and leaves it to the
// caller to find that it is another beginning, or that the line is longer.
func (c *Conn) AwaitLine(prefix string, limit int) error {
	for n := 1; ; n = c.reader.Buffered() + 1 {
		if _, err := c.reader.Peek(n); err != nil {
			return err
		}
		early, _ := c.reader.Peek(min(c.reader.Buffered(), limit)) // cannot fail
		begun := min(len(early), len(prefix))
		if string(early[:begun]) != prefix[:begun] || len(early) == limit || bytes.IndexByte(early, '\n') >= 0 {
			return nil
		}
	}
}

// Take returns all bytes that were read from the connection but not consumed, and
// frees the reader.
func (c *Conn) Take() []byte {
	if c.reader == nil {
		return nil
	}
	peeked, _ := c.reader.Peek(c.reader.Buffered()) // cannot fail
	all := append(bytes.Clone(peeked), c.source.unread...)
	c.Release()
	return all
}

// Unread puts bytes that another reader took from the connection in front of it
// again, so that the next stage peeks at them.
func (c *Conn) Unread(early []byte) {
	c.source.unread = append(bytes.Clone(early), c.Take()...)
	c.takeReader()
}

// Release frees the reader, with what is in it. It may be called again, and on nil.
func (c *Conn) Release() {
	if c == nil || c.reader == nil {
		return
	}
	if c.reader.Size() == BufferSize {
		wipe(c.reader)
		c.reader.Reset(nil)
		readers.Put(c.reader)
	}
	c.reader, c.source.unread = nil, nil
}

// wipe overwrites the buffer of a reader: a sign-in may be in it.
func wipe(r *bufio.Reader) {
	r.Reset(zeros{})
	_, _ = r.Peek(r.Size()) // fills it, and cannot fail
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// NetConn returns the connection itself.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// CloseWrite half-closes the connection when it can be.
func (c *Conn) CloseWrite() error { return CloseWrite(c.Conn) }

// Truncate half-closes the connection without close_notify.
func (c *Conn) Truncate() error { return Truncate(c.Conn) }

// CloseWrite half-closes conn when it can be.
func CloseWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Reset closes conn with a reset and discards what it has not sent yet.
func Reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// IsReset reports whether err is one of the ordinary ends of a connection whose
// peer went away.
func IsReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED)
}
