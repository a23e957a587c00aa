//go:build linux

package relay

import (
	"errors"
	"io"
	"net"
	"os"
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

// holdBack sends 200 KiB from one side to the other, which takes less than that: the
// kernel keeps the rest for ours, which is the relay's connection to it.
func holdBack(t *testing.T, from, to *net.TCPConn, ours net.Conn) {
	t.Helper()
	if err := errors.Join(to.SetReadBuffer(32<<10), ours.(*net.TCPConn).SetWriteBuffer(1<<20)); err != nil {
		t.Fatal(err)
	}
	before, _ := sent(ours.(*net.TCPConn))
	if _, err := from.Write(make([]byte, 200<<10)); err != nil {
		t.Fatal(err)
	}
	for done, unsent := uint64(0), uint64(0); done+unsent < before+200<<10; done, unsent = sent(ours.(*net.TCPConn)) {
		runtime.Gosched()
	}
}

// hasEnded reports whether a relay has seen the end of a side.
func hasEnded(r *Relay, s Side) bool {
	r.ending.mu.Lock()
	defer r.ending.mu.Unlock()
	return r.ending.ended[s]
}

// A client that resets its connection after the destination's end has broken off if
// it has not had all of the answer, and otherwise not.
func TestResetAfterTheEnd(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		read int
		want bool
	}{"all read": {200 << 10, false}, "half read": {100 << 10, true}, "nothing read": {0, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server, r, ended := startRelay(t, time.Hour)
			holdBack(t, server, client, r.Client)
			_ = server.CloseWrite()
			for !hasEnded(r, Upstream) {
				runtime.Gosched()
			}
			if _, err := io.ReadFull(client, make([]byte, tt.read)); err != nil {
				t.Fatal(err)
			}
			Reset(client)
			var cut *CutOffError
			err := <-ended
			if got := errors.As(err, &cut); got != tt.want || got && (cut.Side != Client || !cut.Unsent) {
				t.Errorf("ended with %v, want a cut-off: %t", err, tt.want)
			}
		})
	}
}

// A client that resets its connection says by that nothing of what it has had. What it
// did not take is known.
func TestResetBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for _, flood := range []bool{false, true} {
		client, server, r, ended := startRelay(t, time.Hour)
		write(t, server, "answer")
		if _, err := io.ReadFull(client, make([]byte, len("answer"))); err != nil {
			t.Fatal(err)
		}
		if flood {
			holdBack(t, server, client, r.Client)
		}
		Reset(client)
		var cut *CutOffError
		if err := <-ended; !errors.As(err, &cut) || cut.Side != Client || cut.Unsent != flood {
			t.Errorf("flood %t: ended with %+v", flood, err)
		}
	}
}

// A destination that resets a passed connection in which the client's bytes wait for it
// has broken off. One that resets when it has had all may have ended before.
func TestResetOfPassed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		by    Side
		flood bool
		want  bool
	}{
		"destination, in an upload": {Upstream, true, true},
		"destination, between":      {Upstream, false, false},
		"client, between":           {Client, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server, r, ended := startRelayOf(t, time.Hour, false)
			write(t, client, "question")
			if _, err := io.ReadFull(server, make([]byte, len("question"))); err != nil {
				t.Fatal(err)
			}
			if tt.flood {
				holdBack(t, client, server, r.Upstream)
			}
			Reset([2]net.Conn{client, server}[tt.by])
			var cut *CutOffError
			err := <-ended
			if got := errors.As(err, &cut); got != tt.want || got && cut.Side != tt.by {
				t.Errorf("ended with %v, want a cut-off: %t", err, tt.want)
			}
		})
	}
}

// A hastyConn is a connection whose peer closes as soon as it is told of an end, and is
// never late. A pending read has returned before what ends it does.
type hastyConn struct {
	net.Conn

	closed, late chan struct{} // what ends a read
	done         chan error    // how the read has ended
}

func newHastyConn() *hastyConn {
	return &hastyConn{closed: make(chan struct{}), late: make(chan struct{}), done: make(chan error, 1)}
}

func (c *hastyConn) Read([]byte) (int, error) {
	err := os.ErrDeadlineExceeded
	select {
	case <-c.closed:
		err = io.EOF
	case <-c.late:
	}
	c.done <- err
	return 0, err
}

func (c *hastyConn) SetReadDeadline(t time.Time) error { return c.end(t.IsZero(), c.late) }

func (c *hastyConn) CloseWrite() error { return c.end(false, c.closed) }

// end ends the read, if there is one, unless there is nothing to end.
func (c *hastyConn) end(nothing bool, by chan struct{}) error {
	select {
	case <-by:
		return nil
	default:
	}
	if !nothing {
		close(by)
		c.done <- <-c.done
	}
	return nil
}

// Where nothing moves any more, neither side has ended the relay, however fast one of
// them answers the FIN.
func TestIdleIsTheEndOfNobody(t *testing.T) {
	t.Parallel()
	client, upstream := newHastyConn(), newHastyConn()
	r := &Relay{Client: client, Upstream: upstream, Idle: time.Millisecond, InTLS: true, Abort: func() {}}
	if _, _, err := r.Run(); !errors.Is(err, ErrIdle) {
		t.Errorf("ended with %v", err)
	}
	for side, c := range []*hastyConn{client, upstream} {
		if err := <-c.done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the last read of the %s ended with %v", Side(side), err)
		}
	}
}
