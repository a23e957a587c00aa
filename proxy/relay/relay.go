// Package relay carries bytes between a client and its destination until both
// sides have ended, and gives a connection its one buffered reader.
//
// It looks at no byte that it carries, but for the headers of records and messages while a
// handshake is passed.
package relay

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Relay carries bytes between the two sides of one connection until both have
// ended. When one side half-closes, the other is half-closed and its bytes still
// flow; an end without close_notify is passed on as such. Fields without a documented
// zero value are required.
type Relay struct {
	Client   net.Conn
	Upstream net.Conn
	// Idle ends the relay when nothing arrives for so long.
	Idle time.Duration
	// Silent ends the relay when one side acknowledges nothing for so long, although
	// something is on its way to it; zero means 150 seconds. Only Linux tells that.
	Silent time.Duration
	// InTLS means that the content of TLS is relayed; false means TLS itself.
	InTLS bool
	// Abort ends both sides at once, with a reset: a transfer that broke must not
	// look complete to the side that is still there.
	Abort func()
	// AbortUpstream is Abort for the destination's side alone, and leaves the client's
	// to the caller: see ClientAlerted. It may be nil where the client's errors are no
	// *AlertedError.
	AbortUpstream func()
	// Handshake is what comes first where a TLS handshake is passed; nil means none.
	Handshake *Handshake

	fromClient atomic.Int64 // bytes moved to upstream
	toClient   atomic.Int64 // bytes moved to the client
	idle       idleWatch
	ending     ending
	alerted    atomic.Bool
}

// Run blocks until both directions have ended. It returns how many bytes have moved,
// without those that are known to be lost, and the first error that is no ordinary
// end: ErrIdle, ErrStuck, a *record.Failure for a side that broke off or stalled in a handshake,
// or any other one.
func (r *Relay) Run() (fromClient, toClient int64, err error) {
	r.ending.inTLS, r.ending.sockets = r.InTLS, [2]*net.TCPConn{socketOf(r.Client), socketOf(r.Upstream)}
	err = r.run()
	if first := r.ending.first; first != nil && !errors.Is(err, ErrIdle) {
		err = first
	}
	fromClient, toClient = r.fromClient.Load()-r.idle.lost[Upstream], r.toClient.Load()-r.idle.lost[Client]
	return max(0, fromClient), max(0, toClient), err
}

// run carries the handshake, if there is one, and then everything else.
func (r *Relay) run() error {
	if r.Handshake != nil {
		if err := r.passHandshake(); err != nil {
			return Trouble(err)
		}
	}
	if err := errors.Join(r.Client.SetReadDeadline(time.Time{}), r.Upstream.SetReadDeadline(time.Time{})); err != nil {
		return err
	}
	r.idle.begin(r)
	defer r.idle.stop()

	var clientErr error
	var other sync.WaitGroup
	other.Go(func() { clientErr = r.carry(r.Upstream, r.Client, Client, &r.fromClient) })
	upstreamErr := r.carry(r.Client, r.Upstream, Upstream, &r.toClient)
	other.Wait()
	if err := r.idle.ended(); err != nil {
		r.idle.close(isWrite(clientErr) || isWrite(upstreamErr))
		return err
	}
	if !isOrdinary(clientErr) {
		return clientErr
	}
	return Trouble(upstreamErr)
}

// carry moves the bytes of one direction and half-closes its end.
func (r *Relay) carry(dst, src net.Conn, from Side, moved *atomic.Int64) error {
	err := r.move(dst, src, from, moved)
	var at *sideError
	switch {
	case err == nil:
		r.ending.end(from, nil, false)
		return CloseWrite(dst)
	case r.idle.ended() != nil:
		return err
	case errors.As(err, &at):
		r.ending.end(at.side, at.err, at.write)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return Truncate(dst)
	}
	var alert *AlertedError
	if at != nil && at.side == Client && errors.As(err, &alert) {
		r.alerted.Store(true)
	}
	if r.alerted.Load() {
		r.AbortUpstream()
	} else {
		r.Abort()
	}
	return err
}

// ClientAlerted reports whether Run has left the client's side open, because the client
// was sent an alert that a reset could destroy on its way.
func (r *Relay) ClientAlerted() bool { return r.alerted.Load() }

// bufferSize is the size of a full TLS record's plaintext (RFC 8446 section
// 5.1): a larger buffer is never filled by one read.
const bufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// move copies until src ends or fails, and counts the bytes. Between two TCP sockets
// the kernel splices, unless few bytes come. The error is a *sideError.
func (r *Relay) move(dst, src net.Conn, from Side, moved *atomic.Int64) error {
	if d, ok := dst.(*net.TCPConn); ok && asksKernel {
		if s, ok := src.(*net.TCPConn); ok {
			n, write, err := splice(d, s)
			moved.Add(n)
			switch {
			case err == nil:
				return nil
			case write:
				return &sideError{1 - from, true, err}
			}
			return &sideError{from, false, err}
		}
	}
	return r.copy(dst, src, from, moved)
}

// copy is move for all but two TCP sockets. It has no buffer while it waits for bytes, where
// the TLS of src can be read from without waiting.
func (r *Relay) copy(dst, src net.Conn, from Side, moved *atomic.Int64) error {
	var socket *patient
	if raw := rawOf(src); raw != nil {
		socket = raw.setPatient(true)
		defer raw.setPatient(false)
	}
	var buf *[bufferSize]byte
	release := func() {
		if buf != nil {
			clear(buf[:]) // it is plaintext where TLS ends here
			buffers.Put(buf)
			buf = nil
		}
	}
	defer release()
	for {
		if buf == nil {
			buf = buffers.Get().(*[bufferSize]byte)
		}
		n, err := src.Read(buf[:])
		if n > 0 {
			r.ending.moved(from)
			r.idle.beginWrite()
			written, err := dst.Write(buf[:n])
			r.idle.endWrite()
			moved.Add(int64(written))
			if err != nil {
				return &sideError{1 - from, true, err}
			}
		}
		switch {
		case errors.Is(err, errNothing):
			release()
			socket.wait()
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return &sideError{from, false, err}
		}
	}
}

// errNotConnected is what a half-close of an already reset connection gives.
var errNotConnected error = syscall.ENOTCONN

// isOrdinary reports whether err is nil or no more than a peer that went away.
func isOrdinary(err error) bool {
	return err == nil || isGone(err) || errors.Is(err, net.ErrClosed) || errors.Is(err, errNotConnected) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// Trouble returns err, or nil if it is no more than a peer that went away.
func Trouble(err error) error {
	if isOrdinary(err) {
		return nil
	}
	return err
}
