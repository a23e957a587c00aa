package admin

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/tlslift/tlslift/metrics/loadlimit"
)

// retryFull is after what time a client may try again to get a place.
const retryFull = 5 * time.Second

// Places says how many connections an address takes at the same time.
type Places struct {
	// Max is for all, MaxPerGroup for one group of addresses (netname.Group).
	Max, MaxPerGroup int
	// Reserved is how many further ones there may be, which are only for paths of
	// IsReserved; a quarter of them for one group. Zero means none.
	Reserved int
}

// An audience is the connections of an address. When there is no place for a new one, it
// closes one on which no request is being served; it is safe for concurrent use.
type audience struct {
	places Places

	mu       sync.Mutex
	open     list.List // of *seat, the one without a request for the longest time first
	taken    count
	groups   map[netip.Prefix]count // only those with connections
	reserved count                  // Max and MaxPerGroup of the reserve
}

// A count is of connections.
type count struct{ regular, reserved int }

// plus returns the count with n more.
func (c count) plus(n int, isReserved bool) count {
	if isReserved {
		c.reserved += n
	} else {
		c.regular += n
	}
	return c
}

// A seat is the place of one connection.
type seat struct {
	net.Conn
	audience   *audience
	group      netip.Prefix
	isReserved bool
	serving    bool
	element    *list.Element // nil when it was given back
}

func newAudience(p Places) *audience {
	return &audience{
		places: p, groups: map[netip.Prefix]count{},
		reserved: count{regular: p.Reserved, reserved: (p.Reserved + 3) / 4},
	}
}

// limitedListener accepts connections for which there is a place.
type limitedListener struct {
	net.Listener
	audience *audience
}

// Accept implements net.Listener. It closes connections for which there is no place.
func (l limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		s, evicted := l.audience.enter(conn)
		if evicted != nil {
			_ = evicted.Conn.Close() // its server notices
		}
		if s != nil {
			return s, nil
		}
		_ = conn.Close()
	}
}

// enter gives a connection a place; nil if there is none. The second result has lost its
// place.
func (a *audience) enter(conn net.Conn) (s, evicted *seat) {
	group := loadlimit.GroupOfConn(conn)
	a.mu.Lock()
	defer a.mu.Unlock()
	s = &seat{Conn: conn, audience: a, group: group}
	if a.isFull(group, false) {
		if evicted = a.victim(group, false); evicted == nil {
			s.isReserved = true
			if a.isFull(group, true) {
				if evicted = a.victim(group, true); evicted == nil {
					return nil, nil
				}
			}
		}
	}
	if evicted != nil {
		a.remove(evicted)
	}
	s.element = a.open.PushBack(s)
	a.add(s, 1)
	return s, evicted
}

// isFull reports whether there is no free place for a group.
func (a *audience) isFull(group netip.Prefix, isReserved bool) bool {
	if isReserved {
		return a.taken.reserved >= a.reserved.regular || a.groups[group].reserved >= a.reserved.reserved
	}
	return a.taken.regular >= a.places.Max || a.groups[group].regular >= a.places.MaxPerGroup
}

// victim returns the place to be given up for a connection of a group: one of the group
// itself if that has its share, and else one of any; nil if all are in use.
func (a *audience) victim(group netip.Prefix, isReserved bool) *seat {
	own := a.groups[group].regular >= a.places.MaxPerGroup
	if isReserved {
		own = a.groups[group].reserved >= a.reserved.reserved
	}
	for e := a.open.Front(); e != nil; e = e.Next() {
		s := e.Value.(*seat)
		if !s.serving && s.isReserved == isReserved && (!own || s.group == group) {
			return s
		}
	}
	return nil
}

// add counts a connection.
func (a *audience) add(s *seat, n int) {
	a.taken = a.taken.plus(n, s.isReserved)
	now := a.groups[s.group].plus(n, s.isReserved)
	if now == (count{}) {
		delete(a.groups, s.group)
		return
	}
	a.groups[s.group] = now
}

// remove gives a place back, unless that was done before.
func (a *audience) remove(s *seat) {
	if s.element == nil {
		return
	}
	a.open.Remove(s.element)
	s.element = nil
	a.add(s, -1)
}

// Close implements net.Conn.
func (s *seat) Close() error {
	s.audience.mu.Lock()
	s.audience.remove(s)
	s.audience.mu.Unlock()
	return s.Conn.Close()
}

// note keeps which connections serve a request; it is an http.Server's ConnState.
func (a *audience) note(conn net.Conn, state http.ConnState) {
	s := seatOf(conn)
	if s == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s.serving = state == http.StateActive
	if s.element != nil && state == http.StateIdle {
		a.open.MoveToBack(s.element)
	}
}

// seatOf returns the seat below a connection's TLS; nil if it has none.
func seatOf(conn net.Conn) *seat {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	s, _ := conn.(*seat)
	return s
}

// seatKey is the key of the seat in the context of a request.
type seatKey struct{}

// connContext is an http.Server's ConnContext.
func connContext(ctx context.Context, conn net.Conn) context.Context {
	if s := seatOf(conn); s != nil {
		return context.WithValue(ctx, seatKey{}, s)
	}
	return ctx
}

// IsReserved reports whether a path is answered also when all places are taken: the health
// checks and the metrics.
func IsReserved(path string) bool { return IsHealth(path) || path == "/metrics" }

// IsHealth reports whether a path is a health check.
func IsHealth(path string) bool { return path == "/healthz" || path == "/readyz" }

// keepReserve lets the connections of the reserve ask for nothing else, and for that once.
func keepReserve(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, _ := r.Context().Value(seatKey{}).(*seat); s != nil && s.isReserved {
			w.Header().Set("Connection", "close")
			if !IsReserved(r.URL.Path) {
				loadlimit.Refuse(w, r, "this address has as many connections as it can serve; try again in a few seconds", retryFull)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
