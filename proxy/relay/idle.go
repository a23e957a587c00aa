package relay

import (
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"
)

// ErrIdle ends a relay in which nothing arrived for its idle time.
var ErrIdle = errors.New("nothing arrived in either direction")

// ErrStuck is an ErrIdle in a relay that had bytes which a side did not take.
var ErrStuck = fmt.Errorf("a side does not read: %w", ErrIdle)

// An idleWatch ends a relay in which nothing makes progress. Progress is what has
// arrived: bytes that a peer has acknowledged, where the kernel says so, and not
// those that wait in its buffers. A peer that reads slowly makes progress as long as
// it reads; one that reads nothing makes none.
type idleWatch struct {
	relay   *Relay
	sockets [2]*net.TCPConn // by side; nil where there is none
	timer   *time.Timer

	mu      sync.Mutex
	last    time.Time // of the last progress
	arrived uint64    // the kernel's count at that time
	writing int       // how many directions are in a write
	err     error     // ErrIdle or ErrStuck; nil until then
	stopped bool

	lost [2]int64 // bytes that were on their way to a side in the end
}

// begin starts the watch.
func (w *idleWatch) begin(r *Relay) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.relay, w.last = r, time.Now()
	if asksKernel {
		w.sockets = [2]*net.TCPConn{socketOf(r.Client), socketOf(r.Upstream)}
	}
	w.arrived = w.count()
	// The timer starts after it has been assigned, since look sets it again.
	w.timer = time.AfterFunc(math.MaxInt64, w.look)
	w.timer.Reset(w.next())
}

// stop ends the watch.
func (w *idleWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}

// precision is the part of the idle time by which a connection may live longer: how
// often the kernel is asked.
const precision = 64

// next returns when to look again. What the kernel moves is not seen in between.
func (w *idleWatch) next() time.Duration {
	due := w.relay.Idle - time.Since(w.last)
	if w.sockets == [2]*net.TCPConn{} {
		return due
	}
	return min(due, w.relay.Idle/precision)
}

// count returns how many bytes the kernel has brought from and to both sides.
func (w *idleWatch) count() (all uint64) {
	for _, s := range w.sockets {
		arrived, _ := traffic(s)
		all += arrived
	}
	return all
}

// look ends the relay when nothing has arrived for the idle time, and otherwise looks
// again when that could next be so. It also sees a direction that is stuck in a
// write, which no read deadline would.
func (w *idleWatch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	if arrived := w.count(); arrived != w.arrived {
		w.arrived, w.last = arrived, time.Now()
	}
	if next := w.next(); next > 0 {
		w.timer.Reset(next)
		return
	}
	w.end()
}

// goodbye is more than what a destination says when it closes an idle connection: a
// close_notify, and a GOAWAY of HTTP/2. A side that has gone without a word, as a
// computer that sleeps, acknowledges not even that.
const goodbye = 1 << 10

// end ends both sides: with a FIN, unless something is on its way that would then
// seem to arrive.
func (w *idleWatch) end() {
	inFlight, stuck := w.writing > 0, w.writing > 0
	for side, s := range w.sockets {
		_, waiting := traffic(s)
		w.lost[side] = waiting
		inFlight = inFlight || waiting > 0
		stuck = stuck || waiting > goodbye
	}
	w.err = ErrIdle
	if stuck {
		w.err = ErrStuck
	}
	if inFlight {
		w.relay.Abort()
		return
	}
	// Nothing is read any more before the ends are sent: a peer that answers with its own
	// must not seem to have ended first.
	_ = w.relay.Client.SetReadDeadline(time.Unix(1, 0))
	_ = w.relay.Upstream.SetReadDeadline(time.Unix(1, 0))
	_ = Truncate(w.relay.Client)
	_ = Truncate(w.relay.Upstream)
}

// ended returns an error once the relay was idle for too long.
func (w *idleWatch) ended() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// beginWrite notes that bytes were read and are being written.
func (w *idleWatch) beginWrite() { w.move(1) }

// endWrite notes that they have been written.
func (w *idleWatch) endWrite() { w.move(-1) }

func (w *idleWatch) move(writing int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing += writing
	// What is written has arrived, as far as this program can see. Where the kernel
	// can be asked, look does that.
	if writing > 0 || w.sockets == [2]*net.TCPConn{} {
		w.last = time.Now()
	}
}

// socketOf returns the TCP connection below conn; nil if there is none.
func socketOf(conn net.Conn) *net.TCPConn {
	for {
		if tcp, ok := conn.(*net.TCPConn); ok {
			return tcp
		}
		above, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = above.NetConn()
	}
}
