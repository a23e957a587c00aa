package proxy

import (
	"net/netip"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
)

// How long and how many refused hellos are remembered. The time is short
// enough that a destination's repaired trouble is noticed, long enough that a
// device that connects every few minutes is lifted at once.
const (
	refusalAge = time.Hour
	maxRefusal = 4096
)

// A refusalKey tells refused hellos apart. The client is part of it: what a
// broken client is refused for must not make others of its kind be lifted.
type refusalKey struct {
	client      netip.Addr
	destination policy.Destination
	shape       [16]byte
}

func (c *client) refusalKey() refusalKey {
	return refusalKey{c.rec.Client, c.destination, c.hello.Shape()}
}

// refusals remembers which destination refused which shape of a client's hello.
type refusals struct {
	mu    sync.Mutex
	until map[refusalKey]time.Time
	order []refusalKey // oldest first; all live equally long
}

func newRefusals() *refusals { return &refusals{until: map[refusalKey]time.Time{}} }

func (r *refusals) has(key refusalKey, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.until[key]
	return ok && now.Before(until)
}

func (r *refusals) add(key refusalKey, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.order) > 0 && (len(r.order) >= maxRefusal || !now.Before(r.until[r.order[0]])) {
		delete(r.until, r.order[0])
		r.order = r.order[1:]
	}
	if _, known := r.until[key]; known {
		return
	}
	r.until[key] = now.Add(refusalAge)
	r.order = append(r.order, key)
}
