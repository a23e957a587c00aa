// Package silence ends the connections of clients that have said nothing yet, when tlslift
// stops: there is nothing to wait for.
//
// It leaves alone whoever has sent a byte, and who has only just connected: its first
// bytes may be on their way.
package silence

import (
	"sync"
	"time"
)

// Grace is how long a client may be silent before it is not waited for.
const Grace = 2 * time.Second

// A Conn is the connection of a client.
type Conn interface {
	// HasRead reports whether the client has said anything.
	HasRead() bool
	// EndRead lets whoever reads from the connection find its end.
	EndRead()
}

// A Set is the open connections. The zero value is an empty one, and it is safe for
// concurrent use.
type Set struct {
	mu    sync.Mutex
	since map[Conn]time.Time
}

// Add adds a connection that was accepted at a time, until remove is called.
func (s *Set) Add(c Conn, at time.Time) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since == nil {
		s.since = map[Conn]time.Time{}
	}
	s.since[c] = at
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.since, c)
	}
}

// End ends the connections that have been silent for Grace, and the others that are still
// silent when Grace is over. No more connections are added by then. The caller calls stop
// in the end.
func (s *Set) End() (stop func()) {
	s.endBefore(time.Now().Add(-Grace))
	timer := time.AfterFunc(Grace, func() { s.endBefore(time.Now()) })
	return func() { timer.Stop() }
}

func (s *Set) endBefore(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, since := range s.since {
		if !since.After(at) && !c.HasRead() {
			c.EndRead()
		}
	}
}
