package service

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/egress"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/tenant"
)

// A signIn is the sign-in for clients, which may change.
type signIn struct {
	log     *slog.Logger
	metrics *metrics.Metrics
	web     *egress.Way

	now     atomic.Pointer[mailboxes.Service] // nil if sign-in is configured for nobody
	retired []*mailboxes.Service              // of before, whose sessions may go on
}

// state returns how the sign-in is now.
func (n *signIn) state() tenant.State { return n.now.Load().State() }

// A signInChange is a sign-in that was read, and is not in force yet.
type signInChange struct {
	service *mailboxes.Service // that will be in force; nil for none
	commit  func()
	drop    func() // instead of commit
}

// prepare prepares the sign-in of a reading, if there is a sign-in file.
func (n *signIn) prepare(r *reading) (*signInChange, error) {
	before := n.now.Load()
	switch {
	case r.signIn == nil:
		return &signInChange{commit: func() { n.use(nil) }, drop: func() {}}, nil
	case before != nil:
		commit, drop, err := before.Prepare(r.cfg, r.signIn)
		return &signInChange{service: before, commit: commit, drop: drop}, err
	}
	observer := mailboxes.Observer{Log: n.log, Count: n.metrics.SignIn.TokenRequested}
	next, err := mailboxes.New(r.cfg, r.signIn, n.web.Client, observer)
	if err != nil {
		return nil, err
	}
	commit := func() {
		n.use(next)
		n.metrics.SignIn.Show(n.state)
	}
	return &signInChange{service: next, commit: commit, drop: func() { _ = next.Close(context.Background()) }}, nil
}

// use puts another sign-in into force. Sessions with the one before may go on.
func (n *signIn) use(next *mailboxes.Service) {
	if before := n.now.Swap(next); before != nil && before != next {
		n.retired = append(n.retired, before)
	}
}

// closeTime is how long a request for a token may take to end.
const closeTime = 2 * time.Second

// close ends requests for tokens.
func (n *signIn) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	n.use(nil)
	for _, one := range n.retired {
		_ = one.Close(ctx) // the process ends with what still waits
	}
}
