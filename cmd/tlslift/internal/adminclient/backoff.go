package adminclient

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"
)

const (
	// firstPause and maxPause bound the pauses between questions of which one after the
	// other fails.
	firstPause = time.Second
	maxPause   = 30 * time.Second
	// maxRetryAfter is how long a server can make a client wait.
	maxRetryAfter = 5 * time.Minute
)

// A Backoff says how long to wait before the next question, after one that failed: longer
// each time, and each client another time, so that they do not come back all at once. The
// zero value is ready.
type Backoff struct{ failed int }

// Reset is called after a question that did not fail.
func (b *Backoff) Reset() { b.failed = 0 }

// Next returns the pause after a question that failed with err: at least what the answer
// asks for.
func (b *Backoff) Next(err error) time.Duration {
	pause := min(firstPause<<min(b.failed, 10), maxPause)
	b.failed++
	var busy BusyError
	if errors.As(err, &busy) {
		pause = max(pause, min(busy.After, maxRetryAfter))
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // it never fails
	return pause + pause*time.Duration(binary.BigEndian.Uint32(random[:])>>12)/(1<<20)/2
}

// Pause waits; it reports whether that was to the end, and not until ctx is done.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
