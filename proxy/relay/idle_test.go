//go:build linux

package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
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
	tcp, _ := testenv.TCPPair(t)
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

// A hastyConn is a connection whose peer closes as soon as it is told of an end. Its reads
// are as those of a busy machine: what comes after a deadline, and before the goroutine that
// waits runs again, is still read.
type hastyConn struct {
	net.Conn

	closed, late chan struct{}
	closing      sync.Once
	last         error // of reading
}

func newHastyConn() *hastyConn {
	return &hastyConn{closed: make(chan struct{}), late: make(chan struct{})}
}

func (c *hastyConn) Read([]byte) (int, error) {
	select {
	case <-c.closed:
	case <-c.late:
		time.Sleep(time.Second) // fake time: the bubble's clock
	}
	c.last = os.ErrDeadlineExceeded
	select {
	case <-c.closed:
		c.last = io.EOF
	default:
	}
	return 0, c.last
}

func (c *hastyConn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

func (c *hastyConn) SetDeadline(t time.Time) error {
	if !t.IsZero() {
		close(c.late)
	}
	return nil
}

func (c *hastyConn) CloseWrite() error {
	c.closing.Do(func() { close(c.closed) })
	return nil
}

// Where nothing moves any more, neither side has ended the relay, however fast one of
// them answers the FIN, and however late its end is read.
func TestIdleIsTheEndOfNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, upstream := newHastyConn(), newHastyConn()
		r := &Relay{Client: client, Upstream: upstream, Idle: time.Millisecond, InTLS: true, Abort: func() {}}
		if _, _, err := r.Run(); !errors.Is(err, ErrIdle) {
			t.Errorf("ended with %v", err)
		}
		for side, c := range []*hastyConn{client, upstream} {
			if !errors.Is(c.last, os.ErrDeadlineExceeded) {
				t.Errorf("the last read of the %s ended with %v", Side(side), c.last)
			}
			<-c.closed
		}
	})
}

// A lateConn is a connection on which bytes come at the very moment at which its deadline
// passes.
type lateConn struct {
	*hastyConn

	read bool
}

func (c *lateConn) Read(p []byte) (int, error) {
	<-c.late
	if c.read {
		return 0, os.ErrDeadlineExceeded
	}
	c.read = true
	return copy(p, "too late"), nil
}

func (c *lateConn) Write([]byte) (int, error) {
	<-c.late
	return 0, os.ErrDeadlineExceeded
}

// What comes when the idle time is over and cannot be passed on any more ends with a reset:
// with a FIN it would seem to have arrived.
func TestIdleAtTheLastMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		aborted := false
		client, upstream := &lateConn{hastyConn: newHastyConn()}, &lateConn{hastyConn: newHastyConn()}
		r := &Relay{Client: client, Upstream: upstream, Idle: time.Millisecond, InTLS: true, Abort: func() { aborted = true }}
		if _, _, err := r.Run(); !errors.Is(err, ErrIdle) || !aborted {
			t.Errorf("ended with %v, reset: %t", err, aborted)
		}
	})
}
