// Package probes keeps what the last probe of each destination found, and since when. It
// probes nothing, and keeps no earlier result.
package probes

import (
	"slices"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Probe is what the last probe of a destination found.
type Probe struct {
	// Destination is host:port. The caller bounds how many there are.
	Destination string
	// Reason is why it failed; empty if it worked.
	Reason record.Reason
	// Took is how long it took, with or without success.
	Took time.Duration
	// At is when it ended.
	At time.Time
	// Since is when the first of the probes ended that have all found the same. Show sets it.
	Since time.Time
}

// A Round has the probes of the last round. The zero value has none. It is safe for
// concurrent use.
type Round struct {
	mu   sync.Mutex
	last []Probe
}

// Show replaces the probes with those of a new round.
func (r *Round) Show(round []Probe) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := slices.Clone(round)
	for i := range next {
		next[i].Since = next[i].At
		for _, before := range r.last {
			if before.Destination == next[i].Destination && before.Reason == next[i].Reason {
				next[i].Since = before.Since
			}
		}
	}
	r.last = next
}

// Last returns the probes of the last round, which nobody changes.
func (r *Round) Last() []Probe {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}
