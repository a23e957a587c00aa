package turns

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// A Turn is one connection's share of a Queue, for all its handshakes. It is used by one
// goroutine at a time. Nil is one that nothing waits for.
type Turn struct {
	queue *Queue
	rec   *record.Record
	gone  func() bool

	ctx     context.Context //nolint:containedctx // of the handshake that is under way; what pauses has none
	held    bool
	begun   bool
	failure *record.Failure
}

// For returns the turn of a connection, whose record gets how long it has waited. Gone
// reports whether its client has closed. A nil Queue has no turns to wait for.
func (q *Queue) For(rec *record.Record, gone func() bool) *Turn {
	if q == nil {
		return nil
	}
	return &Turn{queue: q, rec: rec, gone: gone}
}

// Begin waits for the turn of a handshake that ends with ctx. The error is a
// *record.Failure: then nothing is held, and End need not follow.
func (t *Turn) Begin(ctx context.Context) error {
	if t == nil {
		return nil
	}
	t.ctx, t.failure = ctx, nil
	if err := t.take(); err != nil {
		t.End()
		return err
	}
	t.begun = true
	return nil
}

// Pause gives the turn up while the handshake waits for the network.
func (t *Turn) Pause() {
	if t != nil && t.held {
		t.held = false
		t.queue.release()
	}
}

// Resume waits for the turn after Pause. The error is a *record.Failure, which Failure
// also returns.
func (t *Turn) Resume() error {
	if t == nil {
		return nil
	}
	return t.take()
}

// End gives the turn back, and lets go of what Begin has got.
func (t *Turn) End() {
	if t != nil {
		t.Pause()
		t.ctx = nil
	}
}

// Failure returns why the turn did not come, as a handshake may return another error for
// that; nil if it did.
func (t *Turn) Failure() *record.Failure {
	if t == nil {
		return nil
	}
	return t.failure
}

// take waits for the turn.
func (t *Turn) take() error {
	start := time.Now()
	err := t.queue.acquire(t.ctx, netname.Group(t.rec.Client, t.queue.cfg.GroupBits), t.begun, t.gone)
	t.rec.HandshakeWait += time.Since(start)
	switch {
	case err == nil:
		t.held = true
		return nil
	case errors.Is(err, errLeft):
		t.failure = record.Fail(record.ReasonClientClosed, err)
	case errors.Is(err, context.Canceled):
		t.failure = record.Fail(record.ReasonCutOff, err)
	default:
		t.failure = record.Fail(record.ReasonOverloaded, fmt.Errorf("waiting for a turn to compute: %w", err))
	}
	return t.failure
}
