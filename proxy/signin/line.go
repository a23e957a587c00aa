package signin

import (
	"slices"
	"time"
)

// A waiter is somebody who stands in a line.
type waiter struct {
	client string
	name   string // of the client, for people
	since  time.Time
	ready  chan struct{} // closed when it is served
	served bool
}

// lines are the waiters, in one line for each client. The lines are served in turn.
type lines struct {
	turns    []string // clients that wait, the next one in front
	byClient map[string][]*waiter
}

// push puts a new waiter at the end of its client's line.
func (l *lines) push(client, name string) *waiter {
	w := &waiter{client: client, name: name, since: time.Now(), ready: make(chan struct{})}
	if l.byClient == nil {
		l.byClient = map[string][]*waiter{}
	}
	if len(l.byClient[client]) == 0 {
		l.turns = append(l.turns, client)
	}
	l.byClient[client] = append(l.byClient[client], w)
	return w
}

// serve serves the one whose turn it is, and reports whether there was one.
func (l *lines) serve() bool {
	if len(l.turns) == 0 {
		return false
	}
	client := l.turns[0]
	l.turns = l.turns[1:]
	waiting := l.byClient[client]
	waiting[0].served = true
	close(waiting[0].ready)
	if len(waiting) == 1 {
		delete(l.byClient, client)
		return true
	}
	l.byClient[client] = waiting[1:]
	l.turns = append(l.turns, client) // behind all others
	return true
}

// remove takes out a waiter that has not been served.
func (l *lines) remove(w *waiter) {
	waiting := slices.DeleteFunc(l.byClient[w.client], func(other *waiter) bool { return other == w })
	if len(waiting) > 0 {
		l.byClient[w.client] = waiting
		return
	}
	delete(l.byClient, w.client)
	l.turns = slices.DeleteFunc(l.turns, func(client string) bool { return client == w.client })
}

// length returns how many wait, and since when the first of them does.
func (l *lines) length() (n int, since time.Time) {
	for _, waiting := range l.byClient {
		n += len(waiting)
		if first := waiting[0].since; since.IsZero() || first.Before(since) {
			since = first
		}
	}
	return n, since
}

// first returns at most max waiters, in the order in which they will be served.
func (l *lines) first(max int) (all []*waiter) {
	for round := 0; ; round++ {
		before := len(all)
		for _, client := range l.turns {
			if len(all) == max {
				return all
			}
			if waiting := l.byClient[client]; round < len(waiting) {
				all = append(all, waiting[round])
			}
		}
		if len(all) == before {
			return all
		}
	}
}
