package proxy

import (
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

type refusalKey struct {
	destination policy.Destination
	shape       [16]byte
}

// refusals remembers which destination refused which shape of hello.
type refusals struct {
	mu    sync.Mutex
	until map[refusalKey]time.Time
	order []refusalKey // oldest first; all live equally long
}

func newRefusals() *refusals { return &refusals{until: map[refusalKey]time.Time{}} }

func (r *refusals) has(d policy.Destination, shape [16]byte, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.until[refusalKey{d, shape}]
	return ok && now.Before(until)
}

func (r *refusals) add(d policy.Destination, shape [16]byte, now time.Time) {
	key := refusalKey{d, shape}
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
