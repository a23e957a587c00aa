package admission

import (
	"log/slog"
	"time"
)

// The wait after an error of Accept grows from the first to the second.
const (
	firstWait = 5 * time.Millisecond
	longWait  = time.Second
)

// An Episode is a time in which a listener accepts no connection, as when there are too
// many open files. It is logged once when it begins and once when it ends. The zero value
// of the unexported fields is a listener that accepts. It belongs to one goroutine.
type Episode struct {
	Log      *slog.Logger
	Listener string
	// Began is called when it begins; nil means nothing.
	Began func(error)

	since time.Time
	tries int
	wait  time.Duration
}

// Fail notes an error of Accept, and returns how long to wait before the next try.
func (e *Episode) Fail(err error) time.Duration {
	e.tries++
	if e.tries > 1 {
		e.wait = min(2*e.wait, longWait)
		return e.wait
	}
	e.since, e.wait = time.Now(), firstWait
	e.Log.Error("no connection is accepted; trying again until the system permits it", "listener", e.Listener, "error", err,
		"remedy", "if there are too many open files, raise their limit or lower TLSLIFT_MAX_CONNECTIONS")
	if e.Began != nil {
		e.Began(err)
	}
	return e.wait
}

// End notes that a connection was accepted.
func (e *Episode) End() {
	if e.tries == 0 {
		return
	}
	e.Log.Info("connections are accepted again", "listener", e.Listener, "tries", e.tries,
		"duration_seconds", time.Since(e.since).Seconds())
	e.tries = 0
}
