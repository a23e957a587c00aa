package signin

import (
	"container/list"
	"context"
	"sync"
	"time"
)

const (
	// maxAtOnce is how many tries pass a guard at a time. The others wait, so that each
	// sees what became of those before it; but one that fails and is delayed does not
	// hold up all the devices behind one address.
	maxAtOnce = 8
	// maxTurn is how long a try waits for that.
	maxTurn = 20 * time.Second
	// maxGuards bounds each table of guards.
	maxGuards = 10_000
)

// limits are how many failures a guard allows.
type limits struct {
	// most is the number of failures from which on no try is allowed.
	most int
	// forget is how long it takes until one failure is forgotten.
	forget time.Duration
}

var (
	// ofClient is for the tries of one client, and for those of one client that has
	// signed in before with one login.
	ofClient = limits{most: 20, forget: 30 * time.Second}
	// ofLogin is for the tries of all other clients with one login.
	ofLogin = limits{most: 60, forget: 6 * time.Second}
)

// free is how many failures are not delayed: somebody mistypes.
const free = 2

// maxDelay is the longest delay of one try.
const maxDelay = 8 * time.Second

// A guard slows the tries of somebody down, and stops them.
type guard struct {
	limits limits
	turns  chan struct{} // has an entry for each try that is under way

	mu       sync.Mutex
	failures int
	since    time.Time // when the failures began to be forgotten
}

func newGuard(l limits) *guard { return &guard{limits: l, turns: make(chan struct{}, maxAtOnce)} }

// enter waits until the try may begin. It reports false if others before it took
// too long, and fails only when ctx is done.
func (g *guard) enter(ctx context.Context, tooLong <-chan time.Time) (bool, error) {
	select {
	case g.turns <- struct{}{}:
		return true, nil
	case <-tooLong:
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

func (g *guard) leave() { <-g.turns }

// count returns how many failures are not forgotten.
func (g *guard) count(now time.Time) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.current(now)
}

// current forgets failures whose time has come. g.mu is held.
func (g *guard) current(now time.Time) int {
	if g.failures == 0 {
		return 0
	}
	forgotten := int(now.Sub(g.since) / g.limits.forget)
	if forgotten >= g.failures {
		g.failures = 0
		return 0
	}
	if forgotten > 0 {
		g.failures -= forgotten
		g.since = g.since.Add(time.Duration(forgotten) * g.limits.forget)
	}
	return g.failures
}

func (g *guard) fail(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.current(now) == 0 {
		g.since = now
	}
	g.failures++
}

// delay returns how long a try waits after so many failures.
func delay(failures int) time.Duration {
	if failures < free {
		return 0
	}
	return min(maxDelay, 500*time.Millisecond<<min(failures-free, 10))
}

// guards are the guards of many, a bounded number: the one that was not asked for for
// the longest time makes room.
type guards struct {
	limits limits

	mu    sync.Mutex
	byKey map[string]*list.Element
	order *list.List // of *entry, the one asked for last in front
}

type entry struct {
	key   string
	guard *guard
}

func newGuards(l limits) *guards {
	return &guards{limits: l, byKey: map[string]*list.Element{}, order: list.New()}
}

// get returns the guard of key; if there is none, a new one, or nil if add is false.
func (s *guards) get(key string, add bool) *guard {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byKey[key]; e != nil {
		s.order.MoveToFront(e)
		return e.Value.(*entry).guard
	}
	if !add {
		return nil
	}
	if s.order.Len() >= maxGuards {
		last := s.order.Back()
		s.order.Remove(last)
		delete(s.byKey, last.Value.(*entry).key)
	}
	g := newGuard(s.limits)
	s.byKey[key] = s.order.PushFront(&entry{key, g})
	return g
}
