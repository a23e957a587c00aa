// Package relay carries bytes between a client and its destination until both
// sides have ended, and gives a connection its one buffered reader.
//
// It looks at no byte that it carries.
package relay

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// ErrIdle ends a relay in which no bytes moved for its idle time.
var ErrIdle = errors.New("no bytes moved in either direction")

// A Relay carries bytes between the two sides of one connection until both have
// ended. When one side half-closes, the other is half-closed and its bytes still
// flow; an end without close_notify is passed on as such. Fields without a documented
// zero value are required.
type Relay struct {
	Client   net.Conn
	Upstream net.Conn
	// Idle ends the relay when no byte moves for so long.
	Idle time.Duration
	// InTLS means that the content of TLS is relayed; false means TLS itself.
	InTLS bool
	// Abort ends both sides at once, with a reset: a transfer that broke must not
	// look complete to the side that is still there.
	Abort func()
	// Handshake is what comes first where a TLS handshake is passed; nil means none.
	Handshake *Handshake

	fromClient atomic.Int64 // bytes moved to upstream
	toClient   atomic.Int64 // bytes moved to the client
	lastMove   atomic.Int64 // when a byte last moved, in ns since start
	start      time.Time
	watch      *time.Timer
	idled      atomic.Bool
	ending     ending
}

// Run blocks until both directions have ended. It returns how many bytes have
// moved, and ErrIdle, the first error that is no ordinary end, a *record.Failure for a
// side that broke off or stalled in a handshake, or nil.
func (r *Relay) Run() (fromClient, toClient int64, err error) {
	r.ending.inTLS = r.InTLS
	err = r.run()
	if cut := r.ending.cut; err == nil && cut != nil {
		err = record.Fail(cut.Reason(), cut)
	}
	return r.fromClient.Load(), r.toClient.Load(), err
}

// run carries the handshake, if there is one, and then everything else.
func (r *Relay) run() error {
	if r.Handshake != nil {
		if err := r.passHandshake(); err != nil {
			return Trouble(err)
		}
	}
	r.start = time.Now()
	// The timer starts after it has been assigned, since watchIdle sets it again.
	r.watch = time.AfterFunc(math.MaxInt64, r.watchIdle)
	r.watch.Reset(r.patience())
	defer r.watch.Stop()

	var clientErr error
	var other sync.WaitGroup
	other.Go(func() { clientErr = r.carry(r.Upstream, r.Client, Client, &r.fromClient) })
	upstreamErr := r.carry(r.Client, r.Upstream, Upstream, &r.toClient)
	other.Wait()
	switch {
	case r.idled.Load():
		return ErrIdle
	case !isOrdinary(clientErr):
		return clientErr
	}
	return Trouble(upstreamErr)
}

// watchIdle ends the relay when nothing has moved for the idle time, and
// otherwise looks again when that could next be so. It also sees a direction
// that is stuck in a write, which no read deadline would.
func (r *Relay) watchIdle() {
	still := time.Since(r.start) - time.Duration(r.lastMove.Load())
	if still < r.patience() {
		r.watch.Reset(r.patience() - still)
		return
	}
	r.idled.Store(true)
	r.Abort()
}

// tick is how often a direction reports what it has moved.
func (r *Relay) tick() time.Duration { return r.Idle / 4 }

// patience is how long nothing may be reported: a byte that has moved within
// the idle time has been reported by then.
func (r *Relay) patience() time.Duration { return r.Idle + r.tick() }

// carry moves the bytes of one direction and half-closes its end. The kernel
// moves them when both sides are TCP, and reports nothing meanwhile; the read
// deadline interrupts it, so that watchIdle sees the progress.
func (r *Relay) carry(dst, src net.Conn, from Side, moved *atomic.Int64) error {
	for {
		if err := src.SetReadDeadline(time.Now().Add(r.tick())); err != nil {
			return err
		}
		before := moved.Load()
		err := r.move(dst, src, from, moved)
		if moved.Load() > before {
			r.lastMove.Store(int64(time.Since(r.start)))
		}
		var at *sideError
		switch {
		case err == nil:
			r.ending.end(from, nil, false)
			return CloseWrite(dst)
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case errors.As(err, &at):
			r.ending.end(at.side, at.err, at.write)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return Truncate(dst)
		}
		r.Abort()
		return err
	}
}

// bufferSize is the size of a full TLS record's plaintext (RFC 8446 section
// 5.1): a larger buffer is never filled by one read.
const bufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// move copies until src ends or fails, and counts the bytes. Between two TCP sockets
// the kernel splices, and the bytes never enter this process. The error is a
// *sideError.
func (r *Relay) move(dst, src net.Conn, from Side, moved *atomic.Int64) error {
	if d, ok := dst.(*net.TCPConn); ok {
		if s, ok := src.(*net.TCPConn); ok {
			n, err := d.ReadFrom(s)
			moved.Add(n)
			if err != nil {
				s := sideOf(dst, src, from)
				return &sideError{s, s != from, err}
			}
			return nil
		}
	}
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		n, err := src.Read(buf[:])
		if n > 0 {
			r.ending.moved(from)
			written, err := dst.Write(buf[:n])
			moved.Add(int64(written))
			if err != nil {
				return &sideError{1 - from, true, err}
			}
		}
		switch {
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
	return err == nil || IsReset(err) || errors.Is(err, net.ErrClosed) || errors.Is(err, errNotConnected) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// Trouble returns err, or nil if it is no more than a peer that went away.
func Trouble(err error) error {
	if isOrdinary(err) {
		return nil
	}
	return err
}
