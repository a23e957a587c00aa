// Package turns lets few TLS handshakes compute at the same time, so that the sessions
// that are established go on: Go has no priorities, and hundreds of handshakes that all
// compute would each come before a few relayed bytes.
//
// Those that wait get their turn by groups of clients, one after the other: a group with
// many handshakes does not delay that of another group. It never holds a turn while a
// handshake waits for the network.
package turns

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"time"
)

// A Config says how many there may be. The zero value is what a server wants.
type Config struct {
	// AtOnce is how many compute at the same time; zero means all processors but one, and
	// at least one.
	AtOnce int
	// Waiting is how many may wait for their first turn, WaitingPerGroup how many of one
	// group; zero means 4096 and 1024.
	Waiting, WaitingPerGroup int
	// GroupBits is how many bits of an IPv6 address make a group; zero means 64.
	GroupBits int
}

const (
	mostWaiting         = 4096
	mostWaitingPerGroup = 1024
	// checkEvery is how often it is checked whether those who wait are still there.
	checkEvery = time.Second
)

var (
	errFull = errors.New("too many handshakes wait")
	errLeft = errors.New("the client has closed")
)

// A Queue gives turns. It is safe for concurrent use.
type Queue struct {
	cfg Config

	mu      sync.Mutex
	held    int // turns that are taken
	waiting int
	groups  map[netip.Prefix]*group
	order   list.List // of *group, those that have a waiter; the next one first
}

// A group is the clients that count as one.
type group struct {
	key     netip.Prefix
	place   *list.Element // in the order
	waiters list.List     // of *waiter, the next one first
}

// A waiter waits for one turn.
type waiter struct {
	ready chan struct{} // closed when it has the turn
	group *group
	place *list.Element // in the group; nil when it has the turn
}

// New returns a Queue.
func New(cfg Config) *Queue {
	cfg.AtOnce = cmp.Or(cfg.AtOnce, max(1, runtime.GOMAXPROCS(0)-1))
	cfg.Waiting = cmp.Or(cfg.Waiting, mostWaiting)
	cfg.WaitingPerGroup = cmp.Or(cfg.WaitingPerGroup, mostWaitingPerGroup)
	return &Queue{cfg: cfg, groups: map[netip.Prefix]*group{}}
}

// ShareProcessor makes the Go runtime use two threads where it would use one, for one
// processor. With one, it looks for bytes to relay only when nothing computes, or every
// 10 milliseconds; with two, the system divides the processor between what computes and
// what relays.
func ShareProcessor() {
	if runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2)
	}
}

// Waiting returns how many handshakes wait for a turn.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

// acquire waits for a turn. Again means that the handshake has had one before: it then
// comes first, so that what has begun ends before more begins, unless others of its group
// wait already, and always finds a place. Gone reports whether its client has
// closed. The caller gives the turn back with release, unless there is an error.
func (q *Queue) acquire(ctx context.Context, key netip.Prefix, again bool, gone func() bool) error {
	w, err := q.enter(key, again)
	if w == nil {
		return err
	}
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for {
		select {
		case <-w.ready:
			if !gone() {
				return nil
			}
			q.release()
			return errLeft
		case <-check.C:
			if gone() {
				q.leave(w)
				return errLeft
			}
		case <-ctx.Done():
			q.leave(w)
			return ctx.Err()
		}
	}
}

// enter takes a turn, or a place among those who wait. It returns nil, nil for a turn.
func (q *Queue) enter(key netip.Prefix, again bool) (*waiter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held < q.cfg.AtOnce {
		q.held++
		return nil, nil
	}
	g := q.groups[key]
	if !again && (q.waiting >= q.cfg.Waiting || g != nil && g.waiters.Len() >= q.cfg.WaitingPerGroup) {
		return nil, errFull
	}
	if g == nil {
		g = &group{key: key}
		g.place = push(&q.order, g, again)
		q.groups[key] = g
	}
	w := &waiter{ready: make(chan struct{}), group: g}
	w.place = push(&g.waiters, w, again)
	q.waiting++
	return w, nil
}

// push adds to the end of a list, or to its front.
func push(l *list.List, v any, front bool) *list.Element {
	if front {
		return l.PushFront(v)
	}
	return l.PushBack(v)
}

// leave gives up waiting.
func (q *Queue) leave(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.place == nil { // it was given the turn meanwhile
		q.next()
		return
	}
	q.remove(w)
}

// release gives a turn back.
func (q *Queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next()
}

// next gives a turn that has ended to the first of the next group, if anybody waits. q.mu
// is held.
func (q *Queue) next() {
	first := q.order.Front()
	if first == nil {
		q.held--
		return
	}
	g := first.Value.(*group)
	w := g.waiters.Front().Value.(*waiter)
	q.order.MoveToBack(first)
	q.remove(w)
	close(w.ready)
}

// remove takes a waiter out. q.mu is held.
func (q *Queue) remove(w *waiter) {
	w.group.waiters.Remove(w.place)
	w.place = nil
	q.waiting--
	if w.group.waiters.Len() == 0 {
		q.order.Remove(w.group.place)
		delete(q.groups, w.group.key)
	}
}
