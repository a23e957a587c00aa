package loadlimit

import (
	"bytes"
	"maps"
	"net/http"
	"time"
)

const (
	// turn is how long a request waits for its turn to be worked on.
	turn = 5 * time.Second
	// retry is after what time a request that was refused may be made again.
	retry = 5 * time.Second
	busy  = "tlslift is busy with other requests; try again in a few seconds"
)

// A Limit says how many requests are served at the same time.
type Limit struct {
	// Working is how many answers are made at once; it bounds the use of processors.
	Working int
	// Open is how many requests there may be, with those that wait and those whose
	// answer is being sent, OpenPerGroup how many of one group; it bounds the memory, as
	// answers are kept until a slow client has read them.
	Open, OpenPerGroup int
}

// A Limiter serves requests within a limit. It is safe for concurrent use.
type Limiter struct {
	open    *Share
	working chan struct{}
}

// NewLimiter returns a Limiter.
func NewLimiter(l Limit) *Limiter {
	return &Limiter{open: NewShare(l.Open, l.OpenPerGroup), working: make(chan struct{}, l.Working)}
}

// Handler returns a handler that serves the requests of next within the limit, which all
// handlers of the Limiter share, and answers the others with 503 and Retry-After. An
// answer is made as a whole before any of it is sent: a client that reads slowly keeps
// nobody from the work.
func (l *Limiter) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		group := GroupOf(r)
		if !l.open.Enter(group) {
			Refuse(w, r, busy, retry)
			return
		}
		defer l.open.Leave(group)
		made := l.make(next, r)
		if made == nil {
			Refuse(w, r, busy, retry)
			return
		}
		maps.Copy(w.Header(), made.header)
		w.WriteHeader(made.status)
		_, _ = w.Write(made.body.Bytes()) // an error means that the peer has closed the connection
	})
}

// make returns the answer to a request; nil if its turn does not come in time.
func (l *Limiter) make(next http.Handler, r *http.Request) *answer {
	timer := time.NewTimer(turn)
	defer timer.Stop()
	select {
	case l.working <- struct{}{}:
		defer func() { <-l.working }()
	case <-timer.C:
		return nil
	case <-r.Context().Done():
		return nil
	}
	made := &answer{header: http.Header{}, status: http.StatusOK}
	next.ServeHTTP(made, r)
	return made
}

// An answer is one that is still to be sent.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
	begun  bool
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if !a.begun {
		a.status, a.begun = status, true
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.begun = true
	return a.body.Write(p)
}
