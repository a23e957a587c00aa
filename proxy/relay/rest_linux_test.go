package relay

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// awaitRest looks until both directions of a relay are at rest.
func awaitRest(t *testing.T, r *Relay) {
	t.Helper()
	for end := time.Now().Add(testenv.Patience); !isAtRest(r); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("a relay in which nothing moves does not come to rest")
		}
		r.idle.look()
	}
}

func isAtRest(r *Relay) bool {
	r.idle.mu.Lock()
	defer r.idle.mu.Unlock()
	return r.directions[Client].resting && r.directions[Upstream].resting
}

// An idle pair has no goroutine: whether it was passed or lifted, and also after many bytes.
func TestIdlePairHasNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 5 {
		client, server, r := startedPassed(t)
		exchange(t, client, server, 1<<20)
		awaitRest(t, r)
		l := startLifted(t, tls.VersionTLS13, func(c net.Conn) net.Conn { return c })
		l.exchange(t, 1<<20)
		awaitRest(t, l.relay)
	}
	testenv.AwaitGoroutines(t, before+1) // of the lot
}

// startedPassed starts a relay of passed TLS without a goroutine that waits for it.
func startedPassed(t *testing.T) (client, server *net.TCPConn, r *Relay) {
	t.Helper()
	client, ourClient := testenv.TCPPair(t)
	ourServer, server := testenv.TCPPair(t)
	r = &Relay{Client: ourClient, Upstream: ourServer, Idle: time.Hour}
	go r.Start(func(int64, int64, error) {})
	return client, server, r
}

// exchange sends bytes one way and back.
func exchange(t *testing.T, client, server net.Conn, n int) {
	t.Helper()
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		done := make(chan error, 1)
		go func() {
			_, err := way[0].Write(make([]byte, n))
			done <- err
		}()
		if _, err := io.ReadFull(way[1], make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// A pair goes on after each rest, and its ends are those that it has without.
func TestRestEnds(t *testing.T) {
	t.Parallel()
	var cut *CutOffError
	for name, tt := range map[string]struct {
		do func(client, server net.Conn, r *Relay)
		is func(error) bool
	}{
		"the client closes": {func(client, server net.Conn, _ *Relay) {
			_ = CloseWrite(client)
			_, _ = io.ReadAll(server)
			_ = CloseWrite(server)
		}, func(err error) bool { return err == nil }},
		"the destination closes": {func(client, server net.Conn, _ *Relay) {
			_ = CloseWrite(server)
			_, _ = io.ReadAll(client)
			_ = CloseWrite(client)
		}, func(err error) bool { return err == nil }},
		"the destination resets": {func(_, server net.Conn, _ *Relay) { Reset(lowest(server)) },
			func(err error) bool { return errors.As(err, &cut) && cut.Side == Upstream }},
		"the client resets": {func(client, _ net.Conn, _ *Relay) { Reset(lowest(client)) },
			func(err error) bool { return errors.As(err, &cut) && cut.Side == Client }},
		"idle": {func(_, _ net.Conn, r *Relay) {
			for !lookNow(r) {
				runtime.Gosched()
			}
		}, func(err error) bool { return errors.Is(err, ErrIdle) }},
		"cut off here": {func(_, _ net.Conn, r *Relay) {
			Reset(lowest(r.Client))
			r.Wake()
		}, func(err error) bool { return err == nil }},
	} {
		l := startLifted(t, tls.VersionTLS12, func(c net.Conn) net.Conn { return c })
		for range 3 {
			exchange(t, l.client, l.server, 10)
			awaitRest(t, l.relay)
		}
		tt.do(l.client, l.server, l.relay)
		if err := <-l.ended; !tt.is(err) {
			t.Errorf("%s: lifted: ended with %v", name, err)
		}
	}
}

// The same for TLS that is passed, in which the kernel moves the bytes.
func TestPassedRestEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(client, server *net.TCPConn, r *Relay){
		"the client closes":      func(client, server *net.TCPConn, _ *Relay) { _, _ = client.CloseWrite(), server.CloseWrite() },
		"the destination closes": func(client, server *net.TCPConn, _ *Relay) { _, _ = server.CloseWrite(), client.CloseWrite() },
		"the client resets":      func(client, _ *net.TCPConn, _ *Relay) { Reset(client) },
		"the destination resets": func(_, server *net.TCPConn, _ *Relay) { Reset(server) },
		"cut off here": func(_, _ *net.TCPConn, r *Relay) {
			Reset(r.Upstream)
			r.Wake()
		},
	} {
		client, ourClient := testenv.TCPPair(t)
		ourServer, server := testenv.TCPPair(t)
		r := &Relay{Client: ourClient, Upstream: ourServer, Idle: time.Hour}
		ended := make(chan error, 1)
		go r.Start(func(_, _ int64, err error) { ended <- err })
		for range 3 {
			exchange(t, client, server, 10)
			awaitRest(t, r)
		}
		end(client, server, r)
		if err := <-ended; err != nil {
			t.Errorf("%s: ended with %v", name, err)
		}
	}
}
