package proxy

import (
	"bufio"
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/prologue"
)

// An ahead is a connection that is read by lines for a while, and by the relay
// after that: what was read ahead comes first.
type ahead struct {
	net.Conn
	reader *bufio.Reader // nil once drained
}

func newAhead(conn net.Conn) *ahead {
	r := readers.Get().(*bufio.Reader)
	r.Reset(conn)
	return &ahead{Conn: conn, reader: r}
}

// side is the connection for an opening.
func (a *ahead) side(timeout time.Duration) prologue.Side {
	return prologue.Side{Conn: a.Conn, Reader: a.reader, Timeout: timeout}
}

// Read gives what was read ahead first; then the reader is free for another
// connection.
func (a *ahead) Read(p []byte) (int, error) {
	if a.reader != nil && a.reader.Buffered() > 0 {
		return a.reader.Read(p)
	}
	a.release()
	return a.Conn.Read(p)
}

func (a *ahead) release() {
	if a == nil || a.reader == nil {
		return
	}
	a.reader.Reset(nil)
	readers.Put(a.reader)
	a.reader = nil
}

// CloseWrite half-closes.
func (a *ahead) CloseWrite() error { return closeWrite(a.Conn) }
