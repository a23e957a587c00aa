//go:build linux

package relay

import (
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// lookNow makes the watch of a relay look as if the idle time had passed, and reports
// whether it has ended the relay.
func lookNow(r *Relay) bool {
	r.idle.mu.Lock()
	r.idle.last = time.Now().Add(-r.Idle)
	r.idle.mu.Unlock()
	r.idle.look()
	return r.idle.ended() != nil
}

// awaitStuck waits until bytes wait for a client that does not read.
func awaitStuck(r *Relay) {
	for waiting := int64(0); waiting < 64<<10; {
		_, waiting = traffic(r.Client.(*net.TCPConn))
		runtime.Gosched()
	}
}

// What waits in the kernel is no progress, and what a slow client takes out of it is,
// though nothing is read from the destination meanwhile.
func TestProgressIsWhatArrives(t *testing.T) {
	t.Parallel()
	client, server, r, ended := startRelay(t, time.Hour)
	go func() {
		for err := error(nil); err == nil; {
			_, err = server.Write(make([]byte, 1<<20))
		}
	}()
	for range 5 {
		awaitStuck(r)
		if _, err := io.ReadFull(client, make([]byte, 8<<20)); err != nil {
			t.Fatal(err)
		}
		if lookNow(r) {
			t.Fatal("ended while the client reads")
		}
	}
	for awaitStuck(r); !lookNow(r); { // until the kernels have exchanged what they can
		awaitStuck(r)
	}
	if err := <-ended; !errors.Is(err, ErrStuck) {
		t.Errorf("ended with %v", err)
	}
	if r.idle.lost[Client] == 0 {
		t.Error("nothing counts as lost")
	}
	// Something was on its way: the client must not take this for the end.
	if _, err := io.Copy(io.Discard, client); !IsReset(err) {
		t.Errorf("the client saw %v, want a reset", err)
	}
}

// An idle relay in which nothing is on its way ends with a FIN on both sides.
func TestIdleEndsWithFIN(t *testing.T) {
	t.Parallel()
	client, server, r, ended := startRelay(t, time.Hour)
	write(t, client, "question")
	if _, err := io.ReadFull(server, make([]byte, len("question"))); err != nil {
		t.Fatal(err)
	}
	for !lookNow(r) {
	}
	if err := <-ended; !errors.Is(err, ErrIdle) || errors.Is(err, ErrStuck) {
		t.Errorf("ended with %v", err)
	}
	_, _ = r.Client.Close(), r.Upstream.Close()
	for _, conn := range []*net.TCPConn{client, server} {
		if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("got %d bytes and %v, want the end", n, err)
		}
	}
}

// The connection that the kernel knows is found below every layer.
func TestSocketOf(t *testing.T) {
	t.Parallel()
	tcp, _ := tcpPair(t)
	near, _ := net.Pipe()
	for name, conn := range map[string]net.Conn{
		"itself": tcp, "with a reader": NewConn(tcp), "below TLS": NewConn(NewTLS(near, NewRaw(NewConn(tcp)))),
	} {
		if socketOf(conn) != tcp {
			t.Errorf("%s: not found", name)
		}
	}
	if socketOf(near) != nil {
		t.Error("a pipe has a socket")
	}
}
