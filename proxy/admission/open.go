package admission

import "context"

const (
	// leastAwaited is how many headers may be awaited where there are few places.
	leastAwaited = 16
	// leastLeaving and mostLeaving bound MaxLeaving.
	leastLeaving, mostLeaving = 32, 256
	// passing is how many connections may be open that are counted nowhere for an instant:
	// they were just accepted, or their place was just given up.
	passing = 64
	// enough is more than there ever are: the sums stay within 32 bits.
	enough = 1 << 29
)

// MaxAwaited returns how many connections of load balancers may wait for their PROXY
// header beside so many places.
func MaxAwaited(places int) int { return max(places/4, leastAwaited) }

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

// Open waits until one more connection may be open, and reports whether it may: false
// means that ctx is done. It comes before a connection is accepted, so that those that
// are refused or cut can never come faster than they are closed: the files that are kept
// for other things would be used up. The caller calls Closed once the connection is closed,
// or when there was none.
func (a *Admission) Open(ctx context.Context) bool {
	select {
	case a.open <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// Closed undoes Open.
func (a *Admission) Closed() { <-a.open }
