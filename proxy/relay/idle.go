package relay

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// ErrIdle ends a relay in which nothing arrived for its idle time.
var ErrIdle = errors.New("nothing arrived in either direction")

// ErrStuck is an ErrIdle in a relay that had bytes which a side did not take.
var ErrStuck = fmt.Errorf("a side does not read: %w", ErrIdle)

// A silence is an ErrIdle in a relay whose one side has acknowledged nothing for so long.
type silence time.Duration

func (s silence) Error() string {
	return fmt.Sprintf("it has acknowledged nothing for %v", time.Duration(s))
}

func (s silence) Unwrap() error { return ErrIdle }

// silentFor is the zero value of Relay.Silent. A peer that does not read, as a printer
// without paper, still acknowledges: TCP asks it every two minutes at the latest. That is
// why this is no TCP_USER_TIMEOUT, which would end such a connection too.
const silentFor = 150 * time.Second

// An idleWatch ends a relay in which nothing makes progress, or whose one side is gone
// without a word while something is on its way to it. Progress is what has
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
	begun   bool      // the kernel was not asked yet
	moved   int64     // how many bytes had moved then
	writing [2]bool   // by side: it is written to
	debts   [2]debt   // by side
	err     error     // ErrIdle, ErrStuck, or a *record.Failure for a side that is gone; nil until then
	stopped bool
	quiet   bool          // both sides are still to be ended, with a FIN
	pace    time.Duration // how soon to look again while bytes may move; 0 when none do
	awake   bool          // no direction is to rest any more

	lost [2]int64 // bytes that were on their way to a side in the end
}

// begin starts the watch: first that of a handshake, if there is one.
func (w *idleWatch) begin(r *Relay) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.relay = r
	first := math.MaxInt64 * time.Nanosecond
	if r.Handshake != nil {
		first = time.Until(r.Handshake.Deadline)
	}
	w.timer = time.AfterFunc(first, w.look) // look waits for w.mu
	if r.Handshake == nil {
		w.beginIdle()
	}
}

// beginIdle starts the watch of what comes after a handshake. The kernel is asked later: many
// connections have ended by then. w.mu is held.
func (w *idleWatch) beginIdle() {
	if w.stopped || w.err != nil {
		return
	}
	w.last, w.pace = time.Now(), firstLook
	if asksKernel {
		w.sockets = w.relay.ending.sockets
	}
	w.begun, w.moved = true, w.relay.moved()
	w.timer.Reset(w.next())
}

// stop ends the watch.
func (w *idleWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}

// firstLook is how long after its beginning a relay is looked at whether it can rest. One in
// which bytes move is looked at less and less often.
const firstLook = 500 * time.Millisecond

// ask asks the directions to rest in which a look has found nothing new, and says when the
// next look is due. w.mu is held.
func (w *idleWatch) ask(isNew bool) {
	if isNew {
		w.pace = min(2*w.pace, w.silent())
		return
	}
	w.pace = 0
	for i := range w.relay.directions {
		d := &w.relay.directions[i]
		if d.socket == nil || d.resting || d.asked || w.awake {
			continue
		}
		d.asked = true
		_ = d.socket.SetReadDeadline(time.Unix(1, 0)) // it is closed if that fails
	}
}

// resumed notes that a direction is not at rest any more.
func (w *idleWatch) resumed(d *direction) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.resting, w.pace = false, firstLook
	if !w.stopped && w.err == nil {
		w.timer.Reset(w.next())
	}
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
	next := min(due, w.relay.Idle/precision, w.silent()/8)
	if w.pace > 0 {
		next = min(next, w.pace)
	}
	return next
}

// silent returns how long a side may acknowledge nothing.
func (w *idleWatch) silent() time.Duration { return cmp.Or(w.relay.Silent, silentFor) }

// gone reports whether a side has acknowledged nothing for too long, although it owes
// that.
func (w *idleWatch) gone(s Side) bool {
	acknowledged, owes := owed(w.sockets[s])
	d := &w.debts[s]
	if !owes || d.since.IsZero() || acknowledged != d.acknowledged {
		*d = debt{acknowledged: acknowledged}
		if owes {
			d.since = time.Now()
		}
	}
	return owes && time.Since(d.since) >= w.silent()
}

// A debt is since when a side owes an acknowledgement, as far as that was seen; zero if it
// does not.
type debt struct {
	since        time.Time
	acknowledged uint64 // bytes
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
	if w.stopped || w.isHandshake() {
		return
	}
	arrived := w.count()
	isNew := arrived != w.arrived
	if w.begun {
		w.begun, isNew = false, arrived > 0 && w.moved != w.relay.moved()
	}
	if w.arrived = arrived; isNew {
		w.last = time.Now()
	}
	for _, s := range []Side{Client, Upstream} {
		if w.gone(s) {
			w.giveUp(s)
			return
		}
	}
	if due := w.relay.Idle - time.Since(w.last); due <= 0 {
		w.end()
		w.relay.wake()
		return
	}
	w.ask(isNew)
	w.timer.Reset(w.next())
}

// isHandshake reports whether a handshake is still passed. Its end is waited for, unless it
// has had its time. w.mu is held.
func (w *idleWatch) isHandshake() bool {
	h := w.relay.Handshake
	if h == nil {
		return false
	}
	if wait := time.Until(h.Deadline); wait > 0 {
		w.timer.Reset(wait)
		return true
	}
	w.err = h.stalled(w.relay.ending.hasEnded(), [2]bool{w.isStuck(Client), w.isStuck(Upstream)})
	w.relay.abort()
	w.relay.wake()
	return true
}

// isStuck reports whether bytes wait here because a side does not take them. Bytes that are
// on their way to it do not count. w.mu is held.
func (w *idleWatch) isStuck(s Side) bool {
	_, unsent := sent(w.relay.ending.sockets[s])
	return unsent > 0 || w.writing[s] && (!asksKernel || w.relay.ending.sockets[s] == nil)
}

// giveUp ends both sides because one is gone.
func (w *idleWatch) giveUp(s Side) {
	for side, socket := range w.sockets {
		_, w.lost[side] = traffic(socket)
	}
	w.err = ErrIdle
	// What is on its way to the destination inside TLS may be the end of a mail.
	if isMuch := w.lost[s] > goodbye; isMuch || s == Upstream && w.relay.InTLS {
		cut := &CutOffError{Side: s, Err: silence(w.silent()), Unsent: isMuch}
		w.err = record.Fail(cut.Reason(), cut)
	}
	w.relay.abort()
	w.relay.wake()
}

// goodbye is more than what a destination says when it closes an idle connection: a
// close_notify, and a GOAWAY of HTTP/2. A side that has gone without a word, as a
// computer that sleeps, acknowledges not even that.
const goodbye = 1 << 10

// end ends both directions, and both sides with a reset if something is on its way that
// would seem to arrive with a FIN. Else close does the rest.
func (w *idleWatch) end() {
	inFlight := w.writing[Client] || w.writing[Upstream]
	stuck := inFlight
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
		w.relay.abort()
		return
	}
	w.quiet = true
	_ = w.relay.Client.SetDeadline(time.Unix(1, 0))
	_ = w.relay.Upstream.SetDeadline(time.Unix(1, 0))
}

// close ends both sides of a relay in which nothing was on its way, once both directions
// have ended: a peer that answers with its own end at once must not seem to have ended
// first. Cut means that bytes came at the last moment, and were not written.
func (w *idleWatch) close(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.quiet:
	case cut:
		w.relay.abort()
	default:
		_ = Truncate(w.relay.Client)
		_ = Truncate(w.relay.Upstream)
	}
}

// ended returns an error once the relay was idle for too long.
func (w *idleWatch) ended() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// beginWrite notes that bytes were read and are being written to a side.
func (w *idleWatch) beginWrite(to Side) { w.move(to, true) }

// endWrite notes that they have been written.
func (w *idleWatch) endWrite(to Side) { w.move(to, false) }

func (w *idleWatch) move(to Side, writing bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing[to] = writing
	// What is written has arrived, as far as this program can see. Where the kernel
	// can be asked, look does that.
	if writing || w.sockets == [2]*net.TCPConn{} {
		w.last = time.Now()
	}
}

// lowest returns the connection below all layers of conn.
func lowest(conn net.Conn) net.Conn {
	for {
		above, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = above.NetConn()
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
