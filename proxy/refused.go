package proxy

import (
	"net/netip"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
)

// How long and how many refused hellos are remembered. The time is short
// enough that a destination's repaired trouble is noticed, long enough that a
// device that connects every few minutes is lifted without a detour.
const (
	refusedAge = time.Hour
	maxRefused = 4096
)

// A refusedKey identifies a refused hello. The client is part of it: what a
// broken client is refused for must not make others of its kind be lifted.
type refusedKey struct {
	client      netip.Addr
	destination policy.Destination
	hello       [16]byte // its fingerprint key
}

func (c *conn) refusedKey() refusedKey {
	return refusedKey{c.rec.Client, c.out.destination, c.hello.FingerprintKey()}
}

// refusedHellos remembers which destination refused which hello of a client.
type refusedHellos struct {
	mu    sync.Mutex
	until map[refusedKey]time.Time
	order []refusedKey // oldest first; all live equally long
}

func newRefusedHellos() *refusedHellos { return &refusedHellos{until: map[refusedKey]time.Time{}} }

func (r *refusedHellos) has(key refusedKey, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.until[key]
	return ok && now.Before(until)
}

// hasOther reports whether the destination has refused some hello of the client.
func (r *refusedHellos) hasOther(key refusedKey, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for other, until := range r.until {
		if other.client == key.client && other.destination == key.destination && now.Before(until) {
			return true
		}
	}
	return false
}

func (r *refusedHellos) add(key refusedKey, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.order) > 0 && (len(r.order) >= maxRefused || !now.Before(r.until[r.order[0]])) {
		delete(r.until, r.order[0])
		r.order = r.order[1:]
	}
	if _, known := r.until[key]; known {
		return
	}
	r.until[key] = now.Add(refusedAge)
	r.order = append(r.order, key)
}
