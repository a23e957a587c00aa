package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// errIdle ends a relay that moved no bytes for its idle time.
var errIdle = errors.New("no bytes moved in either direction")

// A relay carries bytes between the two sides of one connection until both
// have ended. When one side half-closes, the other is half-closed and its
// bytes still flow.
type relay struct {
	client   net.Conn
	upstream net.Conn
	idle     time.Duration // ends the relay when no byte moves for so long
	abort    func()        // ends both sides at once; see client.abort

	fromClient atomic.Int64 // bytes moved to upstream
	toClient   atomic.Int64 // bytes moved to the client
	lastMove   atomic.Int64 // when a byte last moved, in ns since start
	start      time.Time
	idled      atomic.Bool
}

// run blocks until both directions have ended. It returns errIdle, the first
// error that is no ordinary end, or nil.
func (r *relay) run() error {
	r.start = time.Now()
	var watch *time.Timer
	watch = time.AfterFunc(r.patience(), func() { r.watchIdle(watch) })
	defer watch.Stop()

	var clientErr error
	var other sync.WaitGroup
	other.Go(func() { clientErr = r.carry(r.upstream, r.client, &r.fromClient) })
	upstreamErr := r.carry(r.client, r.upstream, &r.toClient)
	other.Wait()
	switch {
	case r.idled.Load():
		return errIdle
	case extraordinary(clientErr):
		return clientErr
	case extraordinary(upstreamErr):
		return upstreamErr
	}
	return nil
}

// watchIdle ends the relay when nothing has moved for the idle time, and
// otherwise looks again when that could next be so. It also sees a direction
// that is stuck in a write, which no read deadline would.
func (r *relay) watchIdle(again *time.Timer) {
	still := time.Since(r.start) - time.Duration(r.lastMove.Load())
	if still < r.patience() {
		again.Reset(r.patience() - still)
		return
	}
	r.idled.Store(true)
	r.abort()
}

// tick is how often a direction reports what it has moved.
func (r *relay) tick() time.Duration { return r.idle / 4 }

// patience is how long nothing may be reported: a byte that has moved within
// the idle time has been reported by then.
func (r *relay) patience() time.Duration { return r.idle + r.tick() }

// carry moves the bytes of one direction and half-closes its end. The kernel
// moves them when both sides are TCP, and tells nothing meanwhile; the read
// deadline makes it come up for air, so that watchIdle knows.
func (r *relay) carry(dst, src net.Conn, moved *atomic.Int64) error {
	for {
		if err := src.SetReadDeadline(time.Now().Add(r.tick())); err != nil {
			return err
		}
		n, err := move(dst, src)
		if n > 0 {
			moved.Add(n)
			r.lastMove.Store(int64(time.Since(r.start)))
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			r.abort()
			return err
		}
		return closeWrite(dst)
	}
}

// relayBuffer is the size of a full TLS record's plaintext (RFC 8446 section
// 5.1): a larger buffer is never filled by one read.
const relayBuffer = 16 << 10

var relayBuffers = sync.Pool{New: func() any { return new([relayBuffer]byte) }}

// move copies until src ends or fails. Between two TCP sockets the kernel
// splices, and the bytes never enter this process.
func move(dst, src net.Conn) (int64, error) {
	if d, ok := dst.(*net.TCPConn); ok {
		if s, ok := src.(*net.TCPConn); ok {
			return d.ReadFrom(s)
		}
	}
	buf := relayBuffers.Get().(*[relayBuffer]byte)
	defer relayBuffers.Put(buf)
	return io.CopyBuffer(dst, src, buf[:])
}

// extraordinary says whether an error is more than a peer going away.
func extraordinary(err error) bool {
	switch {
	case err == nil, isReset(err), errors.Is(err, net.ErrClosed),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errNotConnected):
		return false
	}
	return true
}

// relayFailure gives the end of a relay its reason; the outcome stays what
// was decided.
func relayFailure(rec *record.Record, err error) error {
	switch {
	case err == nil || !extraordinary(err) && !errors.Is(err, errIdle):
		return nil
	case errors.Is(err, errIdle):
		return record.Fail(record.ReasonIdleTimeout, err)
	}
	if alert, ok := receivedAlert(err); ok {
		// A TLS 1.3 client rejects a certificate only after our handshake is
		// complete.
		return record.Fail(alertReason(alert), err)
	}
	return record.Fail(record.ReasonRelayBroken, err)
}
