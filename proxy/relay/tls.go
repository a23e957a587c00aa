package relay

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"github.com/tlslift/tlslift/proxy/standby"
)

// ErrNoCloseNotify is the end of a TLS stream between two records, without the
// close_notify that says that nothing is missing (RFC 8446 section 6.1). Like an end
// in the middle of a record, it is an io.ErrUnexpectedEOF.
var ErrNoCloseNotify = fmt.Errorf("the stream ended without close_notify: %w", io.ErrUnexpectedEOF)

// An AlertedError is the error of a Read or Write after which the TLS stack has told the
// peer, by a fatal alert, what the peer did wrong.
type AlertedError struct{ Err error }

// Error says what it was.
func (e *AlertedError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the TLS stack.
func (e *AlertedError) Unwrap() error { return e.Err }

// A Turn is what a handshake needs to compute.
type Turn interface {
	// Pause gives it up while the network is waited for.
	Pause()
	// Resume waits for it after Pause.
	Resume() error
}

// A Raw is the connection below a TLS stack. It notes its end: crypto/tls returns
// io.EOF for that and for a close_notify alike. After a close_notify no stack reads
// on, so that an end which has been read came in its place.
type Raw struct {
	net.Conn
	// Turn is set during the handshake; nil means that none is needed.
	Turn Turn

	ended   atomic.Bool
	standby *standby.Reader // set while the content is relayed; nil where it cannot be
	dry     bool            // makes Read read nothing; it belongs to the goroutine that reads
}

// NewRaw returns conn, watched.
func NewRaw(conn net.Conn) *Raw { return &Raw{Conn: conn} }

// Read implements net.Conn.
func (r *Raw) Read(p []byte) (int, error) {
	if r.Turn != nil {
		r.Turn.Pause()
	}
	if r.dry {
		return 0, standby.ErrNothing
	}
	n, err := r.below().Read(p)
	if n == 0 && errors.Is(err, io.EOF) {
		r.ended.Store(true)
	}
	return n, r.resume(err)
}

// below returns what is read from: the socket, while the content is relayed, unless a layer
// in between has bytes of it.
func (r *Raw) below() io.Reader {
	if held, is := r.Conn.(interface{ holdsBytes() bool }); r.standby == nil || is && held.holdsBytes() {
		return r.Conn
	}
	return r.standby
}

// setStandby makes Read return standby.ErrNothing where it would wait, until it is called
// again. It returns what waits; nil if Read goes on to wait.
func (r *Raw) setStandby(is bool) *standby.Reader {
	r.standby = nil
	if tcp := socketOf(r.Conn); is && tcp != nil {
		r.standby = standby.NewReader(tcp)
	}
	return r.standby
}

// rawOf returns the Raw below conn; nil if there is none.
func rawOf(conn net.Conn) *Raw {
	for {
		if raw, is := conn.(*Raw); is {
			return raw
		}
		above, is := conn.(interface{ NetConn() net.Conn })
		if !is {
			return nil
		}
		conn = above.NetConn()
	}
}

// Write implements net.Conn.
func (r *Raw) Write(p []byte) (int, error) {
	if r.Turn != nil {
		r.Turn.Pause()
	}
	n, err := r.Conn.Write(p)
	return n, r.resume(err)
}

// resume waits for the turn after an operation that has given err.
func (r *Raw) resume(err error) error {
	if r.Turn == nil || err != nil {
		return err
	}
	return r.Turn.Resume()
}

// NetConn returns the connection that is watched.
func (r *Raw) NetConn() net.Conn { return r.Conn }

// End returns the error of a Read of the stack above: ErrNoCloseNotify in place of an
// io.EOF that was no close_notify.
func (r *Raw) End(err error) error {
	if errors.Is(err, io.EOF) && r.ended.Load() {
		return ErrNoCloseNotify
	}
	return err
}

// A TLS is a TLS stack on a Raw.
type TLS struct {
	net.Conn // the stack

	raw *Raw
}

// NewTLS joins a TLS stack and the connection below it.
func NewTLS(stack net.Conn, raw *Raw) *TLS { return &TLS{stack, raw} }

// manyBytes is how many a record has if more of them are likely to have come.
const manyBytes = 4 << 10

// Read implements net.Conn. An end without close_notify is ErrNoCloseNotify. Crypto/tls
// reads two large records at once, and gives them out one by one: the second is taken along.
func (t *TLS) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if n < manyBytes || err != nil {
		return n, t.raw.End(err)
	}
	t.raw.dry = true
	defer func() { t.raw.dry = false }()
	for n < len(p) {
		more, err := t.Conn.Read(p[n:])
		n += more
		if more == 0 || err != nil {
			break // the next Read says it, unless it is ErrNothing
		}
	}
	return n, nil
}

// NetConn returns the connection below.
func (t *TLS) NetConn() net.Conn { return t.raw }

// Shrink drops what the stack keeps in memory for the next bytes. Nobody reads meanwhile.
func (t *TLS) Shrink() {
	if stack, is := t.Conn.(*tls.Conn); is {
		standby.Shrink(stack)
	}
}

// shrink does that for the stack below conn, if it can.
func shrink(conn net.Conn) {
	for {
		if stack, is := conn.(interface{ Shrink() }); is {
			stack.Shrink()
			return
		}
		above, is := conn.(interface{ NetConn() net.Conn })
		if !is {
			return
		}
		conn = above.NetConn()
	}
}

// CloseWrite sends a close_notify.
func (t *TLS) CloseWrite() error { return CloseWrite(t.Conn) }

// Truncate half-closes the connection below, without close_notify.
func (t *TLS) Truncate() error { return CloseWrite(t.raw.Conn) }

// Truncate half-closes conn as an end that may not be complete: TLS ends without
// close_notify. Without TLS there is no difference to CloseWrite.
func Truncate(conn net.Conn) error {
	if t, ok := conn.(interface{ Truncate() error }); ok {
		return t.Truncate()
	}
	return CloseWrite(conn)
}
