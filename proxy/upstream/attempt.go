package upstream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

const (
	// atOnce is how many attempts of one Dial run at the same time: the oldest is given up
	// for the next address.
	atOnce = 6
	// attemptTime is how long an attempt has at least, while there are other addresses: the
	// second packet of TCP comes after a second.
	attemptTime = (atOnce - 1) * attemptDelay
	// maxSpare is how many attempts of all Dials run beside another one of theirs. Each has
	// an open file that no connection is counted with.
	maxSpare = 32
)

// An attempt is one address that is dialled.
type attempt struct {
	to     netip.AddrPort
	since  time.Time
	cancel context.CancelFunc
	isOver bool // it was given up
	conn   net.Conn
	err    error
}

// errNoAnswer is the error of an attempt that was given up.
var errNoAnswer = fmt.Errorf("no answer before other addresses were tried: %w", os.ErrDeadlineExceeded)

// A spare has an element for each attempt that runs beside another one.
type spare chan struct{}

// take reports whether one more may run.
func (s spare) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

// makeRoom reports whether one more attempt may run now. If not, it gives up the oldest one
// once that has had its time, and sets the time of the next look.
func (r *race) makeRoom() bool {
	switch {
	case len(r.running) == 0:
		return true
	case len(r.running) < atOnce && r.spare.take():
		r.extras++
		return true
	}
	oldest := r.oldest()
	wait := attemptTime - time.Since(oldest.since)
	if wait <= 0 {
		oldest.isOver = true
		oldest.cancel() // its end is when we look again
	}
	if wait <= 0 || wait > attemptDelay {
		wait = attemptDelay
	}
	r.hold(wait)
	return false
}

// oldest returns the attempt that began first of those that run.
func (r *race) oldest() (oldest *attempt) {
	for a := range r.running {
		if oldest == nil || a.since.Before(oldest.since) {
			oldest = a
		}
	}
	return oldest
}

// drop takes out an attempt that has ended.
func (r *race) drop(a *attempt) {
	delete(r.running, a)
	for ; r.extras > max(0, len(r.running)-1); r.extras-- {
		<-r.spare
	}
}
