package admin

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// A connFrom is a connection of a client.
type connFrom struct {
	net.Conn
	client string
	closed bool
}

func (c *connFrom) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.client), Port: 5000} }
func (c *connFrom) Close() error         { c.closed = true; return nil }

// enterAll enters connections of a client, and serves a request on each.
func enterAll(t *testing.T, a *audience, n int, client string) []*seat {
	t.Helper()
	seats := make([]*seat, n)
	for i := range seats {
		var evicted *seat
		seats[i], evicted = a.enter(&connFrom{client: client})
		if seats[i] == nil || evicted != nil {
			t.Fatalf("number %d of %s has no place of its own", i+1, client)
		}
		a.note(seats[i], http.StateActive)
	}
	return seats
}

// A group has its share and a quarter of the reserve, all together have all places, and
// what is idle makes room.
func TestPlaces(t *testing.T) {
	t.Parallel()
	a := newAudience(Places{Max: 6, MaxPerGroup: 4, Reserved: 4})
	first := enterAll(t, a, 4, "192.0.2.1")
	beyond := enterAll(t, a, 1, "192.0.2.1")
	if !beyond[0].isReserved || first[3].isReserved {
		t.Error("the fifth of a group of four is not of the reserve, or the fourth is")
	}
	if s, _ := a.enter(&connFrom{client: "192.0.2.1"}); s != nil {
		t.Error("a group has more than a quarter of the reserve")
	}
	others := enterAll(t, a, 2, "2001:db8::1")
	if others[0].isReserved || others[1].isReserved {
		t.Error("another group is of the reserve while there are places")
	}
	for i := range 3 {
		if s := enterAll(t, a, 1, fmt.Sprintf("198.51.100.%d", i)); !s[0].isReserved {
			t.Error("there are more places than there are")
		}
	}
	if s, _ := a.enter(&connFrom{client: "203.0.113.1"}); s != nil {
		t.Error("the reserve has no end")
	}
	// One that waits for its next request makes room for a regular one, that of the group
	// itself if the group has its share.
	a.note(first[2], http.StateIdle)
	a.note(others[1], http.StateIdle)
	s, evicted := a.enter(&connFrom{client: "192.0.2.1"})
	if s == nil || s.isReserved || evicted != first[2] {
		t.Errorf("got %v for %v", s, evicted)
	}
	a.note(s, http.StateActive)
	s, evicted = a.enter(&connFrom{client: "203.0.113.1"})
	if s == nil || s.isReserved || evicted != others[1] {
		t.Errorf("got %v for %v", s, evicted)
	}
	// It has not sent anything yet.
	if next, evicted := a.enter(&connFrom{client: "203.0.113.2"}); next == nil || next.isReserved || evicted != s {
		t.Errorf("got %v for %v", next, evicted)
	}
}

// All places are given back, once each.
func TestPlacesAreGivenBack(t *testing.T) {
	t.Parallel()
	a := newAudience(Places{Max: 2, MaxPerGroup: 2, Reserved: 4})
	for range 3 {
		seats := append(enterAll(t, a, 2, "192.0.2.1"), enterAll(t, a, 1, "192.0.2.2")...)
		for _, s := range seats {
			_ = s.Close()
			_ = s.Close()
		}
	}
	if a.taken != (count{}) || len(a.groups) != 0 || a.open.Len() != 0 {
		t.Errorf("left: %+v, %v", a.taken, a.groups)
	}
}

// While others hold all places, the health checks and the metrics are answered, and
// everybody else is told to come back.
func TestHealthWhenAllPlacesAreTaken(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	var holding sync.WaitGroup
	pages := http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) {
		holding.Done()
		<-held
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(NewHandler(Options{Metrics: stub("metrics"), Ready: ready, Pages: pages}))
	var running sync.WaitGroup
	running.Go(func() { _ = Serve(ln, server, nil) })
	t.Cleanup(func() {
		close(held)
		_ = server.Close()
		running.Wait()
	})
	dial := func(path string) net.Conn {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	for range 64 { // all that loopback gets
		holding.Add(1)
		dial("/api/v1/connections?after=0&wait=30s")
	}
	holding.Wait()
	for range 3 {
		for path, want := range map[string]int{
			"/healthz": 200, "/readyz": 200, "/metrics": 200, "/": 503, "/ca.pem": 503, "/api/v1/clients": 503,
		} {
			conn := dial(path)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			text := body(t, resp)
			if _, err := io.Copy(io.Discard, conn); err != nil { // its place is free before the server closes it
				t.Errorf("%s: %v", path, err)
			}
			if resp.StatusCode != want || !resp.Close || (want == 503) != (resp.Header.Get("Retry-After") == "5") {
				t.Errorf("%s: got %d %v %s", path, resp.StatusCode, resp.Header, text)
			}
		}
	}
	// Nor can connections that send nothing keep them out.
	for range 100 {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	resp, err := http.ReadResponse(bufio.NewReader(dial("/readyz")), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("after 100 silent connections: %v, %v", resp, err)
	}
}

// Behind TLS it is the same connection, and its place is given back too.
func TestPlacesBehindTLS(t *testing.T) {
	t.Parallel()
	a := newAudience(Places{Max: 1, MaxPerGroup: 1})
	s, _ := a.enter(&connFrom{client: "192.0.2.1"})
	secure := tls.Server(s, &tls.Config{MinVersion: tls.VersionTLS12})
	a.note(secure, http.StateActive)
	if !s.serving || connContext(t.Context(), secure).Value(seatKey{}) != s {
		t.Error("the place is not found below TLS")
	}
	_ = secure.Close()
	if a.taken != (count{}) {
		t.Error("the place is not given back")
	}
}
