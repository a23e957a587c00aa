package loadlimit

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestShareOfGroups(t *testing.T) {
	t.Parallel()
	s := NewShare(3, 2)
	a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/64")
	for i, want := range []bool{true, true, false} {
		if s.Enter(a) != want {
			t.Errorf("number %d of a group: not %v", i+1, want)
		}
	}
	if !s.Enter(b) || s.Enter(b) {
		t.Error("the third of three, or a fourth one")
	}
	s.Leave(a)
	if !s.Enter(b) || s.Enter(a) {
		t.Error("what was given back goes to who comes first")
	}
	for _, g := range []netip.Prefix{a, b, b} {
		s.Leave(g)
	}
	if s.total != 0 || len(s.groups) != 0 {
		t.Errorf("%d are left, of %d groups", s.total, len(s.groups))
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:5": "192.0.2.1/32", "127.0.0.9:5": "127.0.0.0/8", "[2001:db8::1:2:3:4]:5": "2001:db8::/64",
		"[::ffff:192.0.2.1]:5": "192.0.2.1/32",
		"[fe80::1%eth0]:5":     "fe80::/64", "@": "invalid Prefix",
	} {
		if got := GroupOf(&http.Request{RemoteAddr: remote}).String(); got != want {
			t.Errorf("%s: got %s", remote, got)
		}
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	if got := GroupOfConn(ours); got.IsValid() {
		t.Errorf("a pipe is of %s", got)
	}
}

// A request is one of a client.
func request(client, path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = client + ":5000"
	return r
}

func wantRefused(t *testing.T, h http.Handler, r *http.Request, contentType string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "5" ||
		!strings.HasPrefix(w.Header().Get("Content-Type"), contentType) || !strings.Contains(w.Body.String(), "busy") {
		t.Errorf("%s: got %d %v %s", r.RemoteAddr, w.Code, w.Header(), w.Body)
	}
}

// Work is done by so many at once, and who waits for too long, or is one too many, is told
// to come back.
func TestLimiterBoundsTheWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		working := make(chan struct{}, 10)
		l := NewLimiter(Limit{Working: 1, Open: 3, OpenPerGroup: 2})
		h := l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			working <- struct{}{}
			<-end
			w.Header().Set("X-Made", "yes")
			w.WriteHeader(http.StatusTeapot)
			_, _ = fmt.Fprint(w, "made")
		}))
		other := l.Handler(http.NotFoundHandler())
		var all sync.WaitGroup
		first := httptest.NewRecorder()
		all.Go(func() { h.ServeHTTP(first, request("192.0.2.1", "/")) })
		synctest.Wait()
		for _, client := range []string{"192.0.2.1", "192.0.2.2"} {
			all.Go(func() { wantRefused(t, h, request(client, "/"), "text/plain") }) // after its turn
		}
		synctest.Wait()
		wantRefused(t, h, request("192.0.2.1", "/api/v1/clients"), "application/json")
		wantRefused(t, other, request("192.0.2.3", "/api/v1/clients"), "application/json")
		time.Sleep(turn) // synthetic time
		synctest.Wait()
		if len(working) != 1 {
			t.Errorf("%d work at once", len(working))
		}
		close(end)
		all.Wait()
		if first.Code != http.StatusTeapot || first.Body.String() != "made" || first.Header().Get("X-Made") != "yes" {
			t.Errorf("got %d %s", first.Code, first.Body)
		}
		if l.open.total != 0 || len(l.working) != 0 {
			t.Error("places are left")
		}
	})
}

// A slowReader takes an answer only when it is let.
type slowReader struct {
	*httptest.ResponseRecorder
	let chan struct{}
}

func (s slowReader) Write(p []byte) (int, error) {
	<-s.let // it has begun
	<-s.let
	return s.ResponseRecorder.Write(p)
}

// A client that does not read its answer keeps nobody from the work.
func TestSlowReaderHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	l := NewLimiter(Limit{Working: 1, Open: 2, OpenPerGroup: 1})
	h := l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "answer") }))
	slow := slowReader{httptest.NewRecorder(), make(chan struct{})}
	var reading sync.WaitGroup
	reading.Go(func() { h.ServeHTTP(slow, request("192.0.2.1", "/")) })
	slow.let <- struct{}{} // it is being written
	for range 3 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request("192.0.2.2", "/"))
		if w.Body.String() != "answer" {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	}
	close(slow.let)
	reading.Wait()
	if slow.Body.String() != "answer" {
		t.Errorf("the slow reader got %s", slow.Body)
	}
}

// A handler that panics, as to end a connection, gives its places back.
func TestPanicGivesPlacesBack(t *testing.T) {
	t.Parallel()
	l := NewLimiter(Limit{Working: 1, Open: 1, OpenPerGroup: 1})
	h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	for range 2 {
		func() {
			defer func() { _ = recover() }()
			h.ServeHTTP(httptest.NewRecorder(), request("192.0.2.1", "/"))
			t.Error("it does not panic")
		}()
	}
	if l.open.total != 0 || len(l.working) != 0 {
		t.Error("places are left")
	}
}
