package admission

import (
	"context"
	"errors"
	"net"
	"time"
)

const (
	// leastAwaited is how many headers may be awaited where there are few places.
	leastAwaited = 16
	// leastLeaving and mostLeaving bound MaxLeaving.
	leastLeaving, mostLeaving = 32, 256
	// passing is how many connections may be open that are counted nowhere for an instant:
	// they were just accepted, or their place was just given up.
	passing = 64
	// unplannedAwaited is how many headers may be awaited where no load balancer was known of
	// at the start: they are among those that are counted nowhere.
	unplannedAwaited = passing / 2
	// enough is more than there ever are: the sums stay within 32 bits.
	enough = 1 << 29
)

// MaxAwaited returns how many connections of load balancers may wait for their PROXY
// header beside so many places.
func MaxAwaited(places int) int { return max(places/4, leastAwaited) }

// mostAwaited returns how many headers an Admission awaits: so many that all places and all
// clients that leave find room in MaxOpen, which a later load balancer does not change.
func (c *Config) mostAwaited() int {
	if c.Balanced {
		return MaxAwaited(c.Max)
	}
	return min(MaxAwaited(c.Max), unplannedAwaited)
}

// MaxLeaving returns how many clients that are refused may have time to read why, beside so
// many places.
func MaxLeaving(places int) int { return min(max(places/4, leastLeaving), mostLeaving) }

// MaxOpen returns how many connections of clients may be open in all, beside so many
// places; balanced means that headers may be awaited.
func MaxOpen(places int, balanced bool) int {
	places = min(places, enough)
	most := places + MaxLeaving(places) + passing
	if balanced {
		most += MaxAwaited(places)
	}
	return most
}

// Accept returns the next connection of a listener; nil once that is closed or ctx is done.
// Before it accepts one it waits until one more may be open: those that are refused or cut
// must not come faster than they are closed, or they would use up the files that are kept
// for other things. When the system has no more files, clients wait. The caller calls
// Closed once the connection is closed.
func (a *Admission) Accept(ctx context.Context, ln net.Listener, name string) net.Conn {
	select {
	case a.open <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	var wait time.Duration
	for {
		conn, err := ln.Accept()
		if err == nil {
			a.shortage.accepted()
			return conn
		}
		if errors.Is(err, net.ErrClosed) {
			break
		}
		wait = a.shortage.fail(name, err, wait)
		select {
		case <-time.After(wait):
			continue
		case <-ctx.Done():
		}
		break
	}
	a.Closed()
	return nil
}

// Closed notes that a connection from Accept is closed.
func (a *Admission) Closed() { <-a.open }
