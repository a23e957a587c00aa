// Package refusedhello remembers which hellos destinations have refused, so that a client
// is lifted at once when it comes again.
package refusedhello

import (
	"net/netip"
	"slices"
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

// A Key identifies a refused hello. The client is part of it: what a broken client is
// refused for must not make others of its kind be lifted. The hello is the whole one: what
// an illegal hello is refused for must not make those that resemble it be lifted.
type Key struct {
	Client      netip.Addr
	Destination policy.Destination
	Hello       [16]byte // its fingerprint key: less what is random, and what stands for a session
}

// A Memory remembers which destination refused which hello of a client. It is safe for
// concurrent use.
type Memory struct {
	mu    sync.Mutex
	until map[Key]time.Time
	order []Key // oldest first; all live equally long
}

// New returns an empty Memory.
func New() *Memory { return &Memory{until: map[Key]time.Time{}} }

// Has reports whether the hello was refused lately.
func (r *Memory) Has(key Key, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.until[key]
	return ok && now.Before(until)
}

// HasOther reports whether the destination has refused some hello of the client.
func (r *Memory) HasOther(key Key, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for other, until := range r.until {
		if other.Client == key.Client && other.Destination == key.Destination && now.Before(until) {
			return true
		}
	}
	return false
}

// Forget makes the hello one that was not refused.
func (r *Memory) Forget(key Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.until[key]; known {
		delete(r.until, key)
		r.order = slices.DeleteFunc(r.order, func(k Key) bool { return k == key })
	}
}

// Add remembers that the destination has refused the hello.
func (r *Memory) Add(key Key, now time.Time) {
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
