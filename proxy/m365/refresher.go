package m365

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
)

const (
	minWait   = time.Hour
	maxWait   = 24 * time.Hour
	maxJitter = minWait / 5
)

// interval is the time between two questions.
func interval() time.Duration {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never returns an error
	return minWait + time.Duration(binary.LittleEndian.Uint32(b[:]))%maxJitter
}

// A Store keeps the state between runs.
type Store interface {
	// Load returns what was saved last. The error wraps fs.ErrNotExist if
	// that is nothing.
	Load() ([]byte, error)
	// Save keeps text, or else what was saved before.
	Save(text []byte) error
}

// An Outcome is how one question to the service ended. The set is closed.
type Outcome string

// The outcomes.
const (
	Unchanged Outcome = "unchanged" // the list in force is the newest
	Updated   Outcome = "updated"   // a new list was accepted
	Rejected  Outcome = "rejected"  // the newest list is one that was not accepted
	Failed    Outcome = "failed"    // there was no usable answer
	Throttled Outcome = "throttled" // the service wants to be asked less
)

// A RefreshResult is how one question to the service ended.
type RefreshResult struct {
	Outcome Outcome
	// Current is when the list in force was last known to be the newest; zero
	// if that was never known.
	Current time.Time
}

// A RefreshConfig is everything a Refresher needs. Every field without a
// documented zero value is required.
type RefreshConfig struct {
	Instance Instance // the zero value means Worldwide
	// BuiltIn is a version, YYYYMMDDNN: only lists that are newer are asked
	// for. Empty means any.
	BuiltIn string
	// Client makes the requests, and must verify certificates. Its redirect
	// policy does not count: there are no redirects.
	Client *http.Client
	Store  Store
	// Accept puts a list into force. An error means that it is rejected and
	// that the one before stays in force.
	Accept func(version string, list []byte) error
	// Report is called after every question; nil means that nothing is.
	Report func(RefreshResult)
	// Log gets a line when something goes wrong, once for all failures in a
	// row; nil discards them.
	Log *slog.Logger
}

// A Refresher asks the service. Its methods must not be called at the same
// time.
type Refresher struct {
	cfg     RefreshConfig
	name    string // the service's name of the instance
	client  http.Client
	state   state
	failing bool // the last question had no answer
	unsaved bool // the state could not be saved the last time
}

// NewRefresher returns a Refresher; it reads and asks nothing yet.
func NewRefresher(cfg RefreshConfig) (*Refresher, error) {
	name, err := serviceName(cfg.Instance)
	switch {
	case err != nil:
		return nil, err
	case cfg.BuiltIn != "" && !isVersion(cfg.BuiltIn):
		return nil, fmt.Errorf("%q is not a version", netname.Cut(cfg.BuiltIn, maxShown))
	case cfg.Client == nil || cfg.Store == nil || cfg.Accept == nil:
		return nil, errors.New("client, store and accept are required")
	}
	if cfg.Report == nil {
		cfg.Report = func(RefreshResult) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Refresher{cfg: cfg, name: name, client: *cfg.Client, state: newState(name)}
	r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return r, nil
}

// Load puts the list that was saved into force. It returns when the list in
// force, that one or the one built in, was last known to be the newest; zero if
// that was never known. Call it before Run.
func (r *Refresher) Load() time.Time {
	saved, err := readState(r.cfg.Store, r.name)
	if err != nil {
		r.cfg.Log.Warn("the saved list of Microsoft 365 endpoints cannot be used; the built-in one is in force", "error", err.Error())
	}
	r.state = saved
	if !saved.hasList() {
		return saved.Current
	}
	if saved.Version < r.cfg.BuiltIn {
		r.cfg.Log.Debug("the built-in list of Microsoft 365 endpoints is newer than the saved one", "saved", saved.Version)
		r.state.forget()
		return time.Time{}
	}
	if err := r.cfg.Accept(saved.Version, saved.List); err != nil {
		r.cfg.Log.Warn("the saved list of Microsoft 365 endpoints is rejected; the built-in one is in force", "error", err.Error())
		r.state.forget()
		return time.Time{}
	}
	return saved.Current
}

// Run asks the service until ctx is done.
func (r *Refresher) Run(ctx context.Context) {
	for r.wait(ctx) {
		r.check(ctx)
	}
}

// wait waits for the next question. It returns false when ctx is done.
func (r *Refresher) wait(ctx context.Context) bool {
	timer := time.NewTimer(r.state.delay(time.Now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// check asks once. The time of the next question is saved before: if the
// process ends meanwhile, the next one does not ask immediately.
func (r *Refresher) check(ctx context.Context) {
	r.postpone(interval())
	outcome, err := r.refresh(ctx)
	if ctx.Err() != nil {
		return // it says nothing about the service
	}
	r.note(outcome, err)
	r.save()
	r.cfg.Report(RefreshResult{Outcome: outcome, Current: r.state.Current})
}

func (r *Refresher) postpone(d time.Duration) {
	r.state.Next = time.Now().Add(d)
	r.save()
}

func (r *Refresher) save() {
	err := r.state.save(r.cfg.Store)
	if err != nil && !r.unsaved {
		r.cfg.Log.Warn("the state of the list of Microsoft 365 endpoints cannot be saved, so that it begins anew after a restart",
			"error", err.Error())
	}
	r.unsaved = err != nil
}

// refresh asks for the version, and for the list if that is a new one.
func (r *Refresher) refresh(ctx context.Context) (Outcome, error) {
	latest, err := r.latest(ctx)
	switch {
	case err != nil:
		return r.failure(err), err
	case latest < r.state.Version:
		err := fmt.Errorf("version %s of the service is older than %s, which is in force", latest, r.state.Version)
		return Failed, err
	case latest <= max(r.state.Version, r.cfg.BuiltIn):
		r.state.Current = time.Now()
		return Unchanged, nil
	case r.state.rejects(latest, time.Now()):
		return Rejected, nil
	}
	list, err := r.list(ctx)
	if err != nil {
		return r.failure(err), err
	}
	if err := r.cfg.Accept(latest, list); err != nil {
		r.state.reject(latest, time.Now())
		return Rejected, fmt.Errorf("version %s: %w", latest, err)
	}
	r.state.accept(latest, list, time.Now())
	return Updated, nil
}

// failure distinguishes a service that asks for a pause from one that does not
// work.
func (r *Refresher) failure(err error) Outcome {
	var t throttled
	if !errors.As(err, &t) {
		return Failed
	}
	r.state.Next = time.Now().Add(t.wait)
	return Throttled
}

// note logs what went wrong: failures only once in a row, since nobody can do
// more about the next ones.
func (r *Refresher) note(outcome Outcome, err error) {
	log := r.cfg.Log
	switch {
	case err == nil:
		r.failing = false
		log.Debug("asked for the list of Microsoft 365 endpoints", "result", string(outcome))
	case outcome == Rejected:
		r.failing = false
		log.Warn("the new list of Microsoft 365 endpoints is rejected; the one before stays in force", "error", err.Error())
	case r.failing:
		log.Debug("the list of Microsoft 365 endpoints cannot be asked for again", "error", err.Error())
	default:
		r.failing = true
		log.Warn("the list of Microsoft 365 endpoints cannot be asked for; the one in force stays so",
			"error", err.Error(), "next", r.state.Next.Format(time.RFC3339))
	}
}
