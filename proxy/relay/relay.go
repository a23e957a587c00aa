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
	// look complete to the side that is still there. Nil resets what is below each of them.
	Abort func()
	// AbortUpstream is Abort for the destination's side alone, and leaves the client's
	// to the caller: see ClientAlerted. Nil resets what is below it.
	AbortUpstream func()
	// Handshake is what comes first where a TLS handshake is passed; nil means none.
	Handshake *Handshake

	directions [2]direction // by the side that their bytes come from
	left       atomic.Int32 // how many of them have not ended
	whenEnded  func(fromClient, toClient int64, err error)
	idle       idleWatch
	ending     ending
	alerted    atomic.Bool
}

// Run blocks until both directions have ended. It returns how many bytes have moved,
// without those that are known to be lost, and the first error that is no ordinary
// end: ErrIdle, ErrStuck, a *record.Failure for a side that broke off or stalled in a handshake,
// or any other one.
func (r *Relay) Run() (fromClient, toClient int64, err error) {
	ended := make(chan struct{})
	r.Start(func(from, to int64, of error) {
		fromClient, toClient, err = from, to, of
		close(ended)
	})
	<-ended
	return fromClient, toClient, err
}

// Start carries the handshake, if there is one, and everything else. WhenEnded is called with
// what Run returns, once both directions have ended. Start may return before that: there are
// goroutines only while bytes move, and for a short time after that, where package standby
// can wait for more.
func (r *Relay) Start(whenEnded func(fromClient, toClient int64, err error)) {
	r.ending.inTLS, r.ending.sockets = r.InTLS, [2]*net.TCPConn{socketOf(r.Client), socketOf(r.Upstream)}
	r.whenEnded = whenEnded
	r.directions[Client].init(r, Client, r.Client, r.Upstream)
	r.directions[Upstream].init(r, Upstream, r.Upstream, r.Client)
	if err := r.begin(); err != nil {
		r.end(err)
		return
	}
	r.left.Store(int32(len(r.directions)))
	go r.directions[Client].start()
	r.directions[Upstream].run() // here: most connections are short
}

// begin gets everything ready.
func (r *Relay) begin() error {
	until := net.Conn.SetReadDeadline
	if h := r.Handshake; h != nil {
		until = net.Conn.SetDeadline
		r.directions[Client].first, r.directions[Upstream].first = h.ToUpstream, h.ToClient
		r.directions[Client].looks, r.directions[Upstream].looks = true, true
	}
	if err := errors.Join(until(r.Client, time.Time{}), until(r.Upstream, time.Time{})); err != nil {
		return err
	}
	r.idle.begin(r)
	return nil
}

// moved returns how many bytes have moved in both directions.
func (r *Relay) moved() int64 {
	return r.directions[Client].moved.Load() + r.directions[Upstream].moved.Load()
}

// ended is the end of both directions.
func (r *Relay) ended() {
	r.idle.stop()
	clientErr, upstreamErr := r.directions[Client].err, r.directions[Upstream].err
	switch err := r.idle.ended(); {
	case err != nil:
		r.idle.close(isWrite(clientErr) || isWrite(upstreamErr))
		r.end(err)
	case !isOrdinary(clientErr):
		r.end(clientErr)
	default:
		r.end(Trouble(upstreamErr))
	}
}

// end says how it all ended.
func (r *Relay) end(err error) {
	if first := r.ending.first; first != nil && !errors.Is(err, ErrIdle) {
		err = first
	}
	fromClient, toClient := r.directions[Client].moved.Load()-r.idle.lost[Upstream], r.directions[Upstream].moved.Load()-r.idle.lost[Client]
	r.whenEnded(max(0, fromClient), max(0, toClient), err)
}

// abort ends both sides at once.
func (r *Relay) abort() {
	if r.Abort != nil {
		r.Abort()
		return
	}
	Reset(lowest(r.Client))
	r.abortUpstream()
}

// abortUpstream ends the destination's side at once.
func (r *Relay) abortUpstream() {
	if r.AbortUpstream != nil {
		r.AbortUpstream()
		return
	}
	Reset(lowest(r.Upstream))
}

// Wake lets directions that are at rest find that their side was closed here. Who closes one
// before the end calls it after that.
func (r *Relay) Wake() {
	r.idle.mu.Lock()
	defer r.idle.mu.Unlock()
	r.wake()
}

// wake is Wake. idle.mu is held.
func (r *Relay) wake() {
	r.idle.awake = true
	for i := range r.directions {
		if d := &r.directions[i]; d.resting && lot.Leave(d.socket, d.spot) {
			go d.resume()
		}
	}
}

// ClientAlerted reports whether Run has left the client's side open, because the client
// was sent an alert that a reset could destroy on its way.
func (r *Relay) ClientAlerted() bool { return r.alerted.Load() }

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
