package admission

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// The wait after an error of Accept grows from the first to the second.
	firstWait = 5 * time.Millisecond
	longWait  = time.Second
	// calm is how long there is no error once a shortage has ended.
	calm = time.Minute
)

// A shortage is a time in which listeners cannot accept each connection at once, as when
// there are too many open files. It is logged once when it begins and once when it has
// ended: where files are scarce, each connection that ends lets one other in, and the next
// error follows. Without tries all is well.
type shortage struct {
	log *slog.Logger
	// began is called when it begins; nil means nothing.
	began func(error)

	mu          sync.Mutex
	since, last time.Time // of the errors; zero when all is well
	tries       int
}

// fail notes an error of Accept of one listener, and returns how long to wait before the
// next try: longer than the wait before this one, which is zero after a success.
func (s *shortage) fail(listener string, err error, before time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.tries == 0 {
		s.since = now
		s.log.Error("no connection is accepted; trying again until the system permits it", "listener", listener, "error", err,
			"remedy", "if there are too many open files, raise their limit or lower TLSLIFT_MAX_CONNECTIONS")
		if s.began != nil {
			s.began(err)
		}
	}
	s.last = now
	s.tries++
	return min(max(2*before, firstWait), longWait)
}

// accepted notes that a connection was accepted.
func (s *shortage) accepted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tries == 0 || time.Since(s.last) < calm {
		return
	}
	s.log.Info("connections are accepted again", "tries", s.tries, "duration_seconds", s.last.Sub(s.since).Seconds())
	s.tries = 0
}
