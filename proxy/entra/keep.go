package entra

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

const (
	// ahead is how long before its end a token is renewed while it still serves, and
	// aheadHVE the same for High Volume Email, which refuses a token that ends soon
	// (535 5.7.142).
	ahead, aheadHVE = 5 * time.Minute, 20 * time.Minute
	// least is how much time a token has to have left to be given out without an
	// attempt at a new one.
	least, leastHVE = time.Minute, 10 * time.Minute
	// requestTimeout bounds a request with all that belongs to it.
	requestTimeout = 30 * time.Second
	// After a failure Entra is not asked for firstPause, which doubles up to maxPause.
	firstPause, maxPause = 2 * time.Second, time.Minute
	// renewPause is how long after one token that was refused a second one is not
	// replaced: then it is not the token that the destination minds.
	renewPause = time.Minute
)

// A key is what a token is kept by. All mailboxes share an application's token.
type key struct {
	account  string // in lower case; empty for the application
	protocol record.Protocol
	hve      bool
}

func keyOf(id Identity) key {
	if !id.Delegated {
		return key{hve: id.HVE}
	}
	return key{account: strings.ToLower(id.account()), protocol: id.Protocol, hve: id.HVE}
}

func (k key) identity() Identity {
	return Identity{Mailbox: k.account, Delegated: k.account != "", HVE: k.hve, Protocol: k.protocol}
}

// An entry is what is known of one token.
type entry struct {
	token    Token // the zero value before the first
	obtained time.Time
	lifetime time.Duration
	renewed  time.Time // when a refused token was last replaced
	flight   *flight   // nil unless a request is under way
	failure  *record.Failure
	failed   time.Time // when failure came
	until    time.Time // failure holds until then
	pause    time.Duration
	lacks    map[record.Protocol]State // those that the token has no permission for
}

// A flight is one request for a token, for all who wait for it.
type flight struct {
	done    chan struct{} // closed when token and failure are set
	token   Token
	failure *record.Failure
}

// Token returns a token for an identity: the kept one, or a new one. The error is a
// *record.Failure, or ctx.Err() when ctx was cancelled.
func (s *Source) Token(ctx context.Context, id Identity) (Token, error) {
	t, err := s.token(ctx, keyOf(id))
	switch {
	case err != nil:
		return t, err
	case !t.lacks(id.permission()):
		s.noteLack(id, nil)
		return t, nil
	case s.isYoung(keyOf(id)):
		return s.permitted(t, id)
	}
	return s.Renew(ctx, id, t) // the consent may be newer than the token
}

// Renew returns another token than one that the destination refused. All who come
// with the same one cause one request. A second one that is refused within a minute
// is returned as it is, since the destination minds something else.
func (s *Source) Renew(ctx context.Context, id Identity, refused Token) (Token, error) {
	t, err := s.renew(ctx, keyOf(id), refused)
	if err != nil {
		return Token{}, err
	}
	return s.permitted(t, id)
}

// isYoung reports whether the kept token is so new that another one would be the same.
func (s *Source) isYoung(k key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config.Now().Sub(s.entry(k).obtained) < renewPause
}

// permitted refuses a token that cannot serve an identity, or that a destination has
// refused and that does not name the permission.
func (s *Source) permitted(t Token, id Identity) (Token, error) {
	if t.names(id.permission()) {
		s.noteLack(id, nil)
		return t, nil
	}
	f := record.Fail(record.ReasonConsentMissing, fmt.Errorf("the token does not have %s", id.permission()))
	s.noteLack(id, f)
	return Token{}, f
}

// noteLack keeps for States that a token that came lacks the permission of a protocol, or
// that it does not any more.
func (s *Source) noteLack(id Identity, f *record.Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry(keyOf(id))
	if f == nil {
		delete(e.lacks, id.Protocol)
		return
	}
	if e.lacks == nil {
		e.lacks = map[record.Protocol]State{}
	}
	e.lacks[id.Protocol] = State{
		Account: keyOf(id).account, Protocol: id.Protocol, HVE: id.HVE,
		Reason: f.Reason, Detail: f.Err.Error(), Failed: s.config.Now(),
	}
}

func (s *Source) token(ctx context.Context, k key) (Token, error) {
	s.mu.Lock()
	e, now := s.entry(k), s.config.Now()
	kept, left := e.token, e.token.Expires.Sub(now)
	early, atLeast := ahead, least
	if k.hve {
		early, atLeast = aheadHVE, leastHVE
	}
	// A token that never lasts that long is renewed at half of its life.
	early, atLeast = min(early, e.lifetime/2), min(atLeast, e.lifetime/2)
	if kept.Value != "" && left > early {
		s.mu.Unlock()
		return kept, nil
	}
	f, failed := s.start(k, e, now)
	s.mu.Unlock()
	switch {
	case kept.Value != "" && left > atLeast, failed != nil && kept.Value != "" && left > 0:
		return kept, nil
	case failed != nil:
		return Token{}, failed
	}
	t, err := f.wait(ctx)
	if err != nil && kept.Value != "" && kept.Expires.After(s.config.Now()) {
		return kept, nil
	}
	return t, err
}

func (s *Source) renew(ctx context.Context, k key, refused Token) (Token, error) {
	s.mu.Lock()
	e, now := s.entry(k), s.config.Now()
	kept := e.token
	isOther := kept.Value != refused.Value && kept.Expires.After(now)
	isPaused := e.flight == nil && kept.Value == refused.Value && !e.renewed.IsZero() && now.Sub(e.renewed) < renewPause
	if kept.Value != "" && (isOther || isPaused) {
		s.mu.Unlock()
		return kept, nil
	}
	f, failed := s.start(k, e, now)
	if failed == nil {
		e.renewed = now
	}
	s.mu.Unlock()
	if failed != nil {
		return Token{}, failed
	}
	return f.wait(ctx)
}

// wait waits for a request, which goes on when ctx ends: others wait for it too.
func (f *flight) wait(ctx context.Context) (Token, error) {
	select {
	case <-f.done:
		if f.failure != nil {
			return Token{}, clone(f.failure)
		}
		return f.token, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return Token{}, record.Fail(record.ReasonEntraUnreachable, errors.New("no token came in the time that the client waits"))
		}
		return Token{}, ctx.Err()
	}
}

// clone returns a failure that its caller may change.
func clone(f *record.Failure) *record.Failure { return record.Fail(f.Reason, f.Err) }

// entry returns what is known of a token. s.mu is locked.
func (s *Source) entry(k key) *entry {
	e := s.entries[k]
	if e == nil {
		e = &entry{}
		s.entries[k] = e
	}
	return e
}

// start returns the request that is under way, or begins one, or returns why none
// is made now. s.mu is locked.
func (s *Source) start(k key, e *entry, now time.Time) (*flight, error) {
	switch {
	case s.closed:
		return nil, record.Fail(record.ReasonEntraUnreachable, errors.New("tlslift is stopping"))
	case e.flight != nil:
		return e.flight, nil
	case now.Before(s.throttled):
		return nil, record.Fail(record.ReasonEntraThrottled,
			fmt.Errorf("tlslift has to wait until %s, by Entra's Retry-After", s.throttled.UTC().Format(time.RFC3339)))
	case e.failure != nil && now.Before(e.until):
		return nil, clone(e.failure)
	}
	f := &flight{done: make(chan struct{})}
	e.flight = f
	s.requests.Go(func() { s.request(k, f) })
	return f, nil
}

// request asks for a token and tells all who wait.
func (s *Source) request(k key, f *flight) {
	began := s.config.Now()
	ctx, cancel := context.WithTimeout(s.ctx, requestTimeout)
	defer cancel()
	got, err := s.acquire(ctx, k)
	took := s.config.Now().Sub(began)
	var wait time.Duration
	if err != nil {
		f.failure, wait = kindOf(s, k.account != "", s.config.ManagedIdentity != "").failure(err)
	} else {
		f.token = Token{Value: got.token, Expires: s.config.Now().Add(time.Until(got.expires)), Roles: rolesOf(got.token)}
	}
	s.mu.Lock()
	s.settle(s.entry(k), f, wait)
	s.mu.Unlock()
	if s.config.Observer != nil {
		reason := record.Reason("")
		if f.failure != nil {
			reason = f.failure.Reason
		}
		s.config.Observer.TokenRequested(reason, took)
	}
	close(f.done)
}

// kindOf describes a request for the classification of its error.
func kindOf(s *Source, delegated, managed bool) requestKind {
	a := requestKind{of: Authority(s.config.Cloud), delegated: delegated, skew: s.Skew()}
	switch {
	case delegated:
	case managed:
		a.of, a.managed = "the endpoint of the managed identity", true
	default:
		a.federated = s.config.FederatedTokenFile != ""
	}
	return a
}

// acquire asks whoever gives the tokens of a key.
func (s *Source) acquire(ctx context.Context, k key) (result, error) {
	id := k.identity()
	scopes := id.scopes(clouds[orGlobal(s.config.Cloud)])
	switch a := s.acquirers; {
	case id.Delegated && a.delegated == nil:
		return result{}, noDelegated()
	case id.Delegated:
		return a.delegated.acquire(ctx, k.account, scopes)
	case a.managed != nil:
		return a.managed.acquire(ctx, scopes)
	case a.application != nil:
		return a.application.acquire(ctx, scopes)
	}
	return result{}, record.Fail(record.ReasonAppCredentialRefused, errors.New("the application has no credential"))
}

// settle keeps what came of a request. s.mu is locked.
func (s *Source) settle(e *entry, f *flight, wait time.Duration) {
	now := s.config.Now()
	e.flight = nil
	if f.failure == nil {
		e.token, e.obtained, e.lifetime = f.token, now, f.token.Expires.Sub(now)
		e.failure, e.pause = nil, 0
		return
	}
	e.pause = min(max(firstPause, 2*e.pause), maxPause)
	e.failure, e.failed, e.until = f.failure, now, now.Add(max(e.pause, wait))
	if f.failure.Reason == record.ReasonEntraThrottled && now.Add(wait).After(s.throttled) {
		s.throttled = now.Add(wait)
	}
}

// A State describes a token that is kept.
type State struct {
	Account  string // empty for the application's
	Protocol record.Protocol
	HVE      bool
	Expires  time.Time     // zero when there is none
	Reason   record.Reason // of the last request; empty when it gave a token
	Detail   string        // of Reason
	Failed   time.Time     // when the last request ended, if it has a Reason
}

// States returns what is known of all tokens, in no order. One that lacks the permission
// of a protocol has a second State, with that protocol.
func (s *Source) States() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]State, 0, len(s.entries))
	for k, e := range s.entries {
		one := State{Account: k.account, Protocol: k.protocol, HVE: k.hve, Expires: e.token.Expires}
		if e.failure != nil {
			one.Reason, one.Failed = e.failure.Reason, e.failed
			if e.failure.Err != nil {
				one.Detail = e.failure.Err.Error()
			}
		}
		all = append(all, one)
		for _, lack := range e.lacks {
			all = append(all, lack)
		}
	}
	return all
}
