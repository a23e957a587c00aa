package statuspage

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/loadlimit"
	"github.com/tlslift/tlslift/proxy/netname"
)

const (
	// maxWait is how long a request may wait for the next connection.
	maxWait = 30 * time.Second
	// maxWaiting is how many may wait at the same time, maxWaitingPerGroup those of one
	// group of addresses; further ones are told to try again after retryWaiting.
	maxWaiting, maxWaitingPerGroup = 32, 16
	retryWaiting                   = 10 * time.Second
	// slack is what an answer may take after the wait.
	slack = 10 * time.Second

	defaultConnections = 100
	maxConnections     = 1000
	// allRecent is above what an inventory keeps.
	allRecent = 5000
)

// A connectionQuery is the query of /api/v1/connections.
type connectionQuery struct {
	client string
	after  uint64
	// following means that after was given.
	following bool
	// started identifies the run of tlslift that after is from; empty is this one.
	started string
	limit   int
	wait    time.Duration
}

func parseConnectionQuery(v url.Values) (connectionQuery, error) {
	q := connectionQuery{client: v.Get("client"), limit: defaultConnections, following: v.Has("after"), started: v.Get("started")}
	var err error
	if q.following {
		if q.after, err = strconv.ParseUint(v.Get("after"), 10, 64); err != nil {
			return q, fmt.Errorf("after=%q is not a number; give the last one that you have", netname.Cut(v.Get("after"), maxShown))
		}
	}
	if text := v.Get("limit"); text != "" {
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 0 || q.limit > maxConnections {
			return q, fmt.Errorf("limit=%q is not a number from 0 to %d", netname.Cut(text, maxShown), maxConnections)
		}
	}
	if text := v.Get("wait"); text != "" {
		if q.wait, err = time.ParseDuration(text); err != nil || q.wait < 0 || q.wait > maxWait {
			return q, fmt.Errorf("wait=%q is not a time from 0s to %s", netname.Cut(text, maxShown), maxWait)
		}
	}
	return q, nil
}

// serveConnections answers with connections in the order of their numbers: with
// after, the first ones after that, and it waits for one if wait says so;
// without, the last ones. With started as it was answered before, a reader
// misses nothing of a tlslift that was restarted.
func (s *site) serveConnections(w http.ResponseWriter, r *http.Request) {
	q, err := parseConnectionQuery(r.URL.Query())
	if err != nil {
		apiError(w, http.StatusBadRequest, err.Error())
		return
	}
	if q.started != "" && q.started != s.run() {
		q.after = 0 // numbers began again
	}
	if !q.following || q.wait == 0 {
		s.heavy.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { s.answerConnections(w, q) })).ServeHTTP(w, r)
		return
	}
	group := loadlimit.GroupOf(r)
	if !s.waiting.Enter(group) {
		loadlimit.Refuse(w, r, "too many others wait for a connection; try again later, or ask without wait", retryWaiting)
		return
	}
	defer s.waiting.Leave(group)
	s.await(w, r, q)
	s.answerConnections(w, q)
}

// run identifies the run of tlslift.
func (s *site) run() string { return s.started.UTC().Format(time.RFC3339Nano) }

func (s *site) answerConnections(w http.ResponseWriter, q connectionQuery) {
	answer := Connections{Started: s.run(), Last: q.after}
	answer.Connections = s.recent(q.client, q.after)
	if extra := len(answer.Connections) - q.limit; extra > 0 && q.following {
		answer.Connections = answer.Connections[:q.limit]
	} else if extra > 0 {
		answer.Last = answer.Connections[len(answer.Connections)-1].Number
		answer.Connections = answer.Connections[extra:]
	}
	if n := len(answer.Connections); n > 0 {
		answer.Last = answer.Connections[n-1].Number
	}
	writeJSON(w, http.StatusOK, answer)
}

// recent returns a client's connections after the number after, in the order of their
// numbers; never nil.
func (s *site) recent(client string, after uint64) []inventory.Connection {
	all := append([]inventory.Connection{}, s.Inventory.Recent(client, after, allRecent)...)
	slices.SortFunc(all, func(a, b inventory.Connection) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// await returns when there is a connection after q.after, the time is over, or
// the peer has closed.
func (s *site) await(w http.ResponseWriter, r *http.Request, q connectionQuery) {
	// The limits of the server are for answers without a wait. If they cannot be
	// changed, the wait is shorter.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(q.wait + slack))
	_ = control.SetWriteDeadline(time.Now().Add(q.wait + slack))
	ctx, cancel := context.WithTimeout(r.Context(), q.wait)
	defer cancel()
	_ = s.Inventory.Wait(ctx, q.client, q.after) // an error means that there is none yet
}
