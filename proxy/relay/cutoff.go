package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Side is one of the two sides of a relay.
type Side uint8

// The sides.
const (
	Client Side = iota
	Upstream
)

// String returns the word for it.
func (s Side) String() string {
	if s == Client {
		return "client"
	}
	return "destination"
}

// A CutOffError ends a relay whose one side broke off before its orderly end. What
// was on its way may be lost.
type CutOffError struct {
	Side Side
	Err  error
	// Unsent means that the side did not take all that the other has sent, so that
	// something is missing whatever was said.
	Unsent bool
}

// Error names the side and how it broke off.
func (e *CutOffError) Error() string { return fmt.Sprintf("the %s broke off: %v", e.Side, e.Err) }

// Unwrap returns how it broke off.
func (e *CutOffError) Unwrap() error { return e.Err }

// Reason returns the reason that names the side.
func (e *CutOffError) Reason() record.Reason {
	if e.Side == Client {
		return record.ReasonClientCutOff
	}
	return record.ReasonUpstreamCutOff
}

// A sideError is an error of reading from a side, or of writing to it.
type sideError struct {
	side  Side
	write bool
	err   error
}

func (e *sideError) Error() string { return e.err.Error() }

func (e *sideError) Unwrap() error { return e.err }

// isWrite reports whether err is of writing.
func isWrite(err error) bool {
	var at *sideError
	return errors.As(err, &at) && at.write
}

// An ending is how the two sides of a relay end, in the order of time.
type ending struct {
	inTLS   bool            // what is relayed is the content of TLS, not TLS itself
	sockets [2]*net.TCPConn // by side; nil where there is none

	mu    sync.Mutex
	ended [2]bool   // which sides have ended, in whatever way
	whole [2]uint64 // how many bytes each side gets, once the other has ended; zero means that it is not known
	last  Side      // who has sent the last bytes, as far as that is seen
	first error     // the first that is no ordinary end: what comes later follows from it
}

// moved notes that bytes of a side have arrived.
func (e *ending) moved(from Side) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = from
}

// end notes that one side has ended. Err is nil for an orderly end, or the error of
// reading from it or writing to it.
func (e *ending) end(s Side, err error, write bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.first != nil:
	case e.isCutOff(s, err, write):
		cut := &CutOffError{Side: s, Err: err, Unsent: e.isShort(s, 0)}
		e.first = record.Fail(cut.Reason(), cut)
	default:
		e.first = Trouble(err)
	}
	if !e.ended[s] && !e.ended[1-s] { // after the second end nothing is a break
		if done, unsent := sent(e.sockets[1-s]); done > 0 {
			e.whole[1-s] = done + unsent
		}
	}
	e.ended[s] = true
}

// hasEnded returns which sides have ended, in whatever way.
func (e *ending) hasEnded() [2]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ended
}

// isCutOff reports whether this end of a side breaks something off.
func (e *ending) isCutOff(s Side, err error, write bool) bool {
	other := 1 - s
	switch {
	case e.ended[Client] && e.ended[Upstream]:
		return false
	case !e.inTLS:
		// The close_notify of TLS that is passed is not seen: to follow its records
		// would take each header out of what the kernel splices, at 1.5 times the
		// processor time. One that arrives after a side has closed gives a reset, which
		// can be read before that end is. But a destination that resets while it takes no
		// more bytes has not had all of them.
		return s == Upstream && !e.ended[s] && isGone(err) && e.isShort(s, unsure)
	case errors.Is(err, ErrNoCloseNotify):
		// Many old clients never send a close_notify. A destination that leaves it out
		// when its client has gone has nothing left to say.
		return s == Upstream && (!e.ended[Client] || e.isOwed())
	case errors.Is(err, io.ErrUnexpectedEOF):
		return true // in the middle of a record
	case !isGone(err):
		return false
	case e.ended[s]:
		// It has closed, and something came for it after that.
		return s == Client && write
	case e.ended[other] && s == Client:
		return e.isShort(s, 0)
	case e.ended[other]:
		return e.isOwed()
	}
	return true
}

// unsure is more than a close_notify needs, whatever the cipher suite. So few bytes prove
// nothing when a passed connection is reset: they fit into any window, and the counts of
// the kernel are those of the moment after the reset.
const unsure = 4 << 10

// isShort reports whether a side has gone before all that the other has sent could be
// sent to it, but for so many bytes. What was sent and not acknowledged may have arrived:
// a client may close without acknowledging the last of it.
func (e *ending) isShort(s Side, but uint64) bool {
	done, unsent := sent(e.sockets[s])
	if e.whole[s] > 0 { // a close_notify after that does not matter
		return done+but < e.whole[s]
	}
	return unsent > but
}

// isOwed reports whether the client's last bytes in its TLS have had no answer.
func (e *ending) isOwed() bool { return e.last == Client }

// isGone reports whether err means that a peer is gone without an end of its stream.
func isGone(err error) bool {
	return IsReset(err) || errors.Is(err, syscall.ETIMEDOUT) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}
