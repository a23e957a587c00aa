// Package loadlimit bounds what requests cost, so that no client of an HTTP server, nor
// all of them, can keep it from the others. Who is one client is told by netname.Group.
//
// It makes nobody wait for long: a request for which there is no room is answered at once
// or after a few seconds, with the time after which to try again.
package loadlimit

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
)

// A Share counts what is in use of something, in all and by each group of addresses. It
// is safe for concurrent use.
type Share struct {
	max, maxPerGroup int

	mu     sync.Mutex
	total  int
	groups map[netip.Prefix]int // only those that use some
}

// NewShare returns a Share of so many, of which one group gets so many.
func NewShare(most, mostPerGroup int) *Share {
	return &Share{max: most, maxPerGroup: mostPerGroup, groups: map[netip.Prefix]int{}}
}

// Enter takes one for a group; it returns false if there is none for it. The caller gives
// it back with Leave.
func (s *Share) Enter(group netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= s.max || s.groups[group] >= s.maxPerGroup {
		return false
	}
	s.total++
	s.groups[group]++
	return true
}

// Leave gives one back.
func (s *Share) Leave(group netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.groups[group]--; s.groups[group] == 0 {
		delete(s.groups, group)
	}
}

// GroupOf returns the group of the client of a request.
func GroupOf(r *http.Request) netip.Prefix {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{} // all that are not known share a group
	}
	return netname.Group(addr.Addr(), 0)
}

// GroupOfConn returns the group of the client of a connection.
func GroupOfConn(c net.Conn) netip.Prefix {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return netname.Group(tcp.AddrPort().Addr(), 0)
}

// Refuse answers a request for which there is no room, in the form of the API for
// requests to it.
func Refuse(w http.ResponseWriter, r *http.Request, text string, after time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		http.Error(w, text, http.StatusServiceUnavailable)
		return
	}
	body, _ := json.Marshal(map[string]string{"error": text}) // of strings: no error
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write(append(body, '\n')) // an error means that the peer has closed the connection
}
