package standby

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// ends are what a peer can do, and what is read then.
var ends = map[string]struct {
	do   func(*net.TCPConn)
	want error
}{
	"bytes":   {func(c *net.TCPConn) { _, _ = c.Write([]byte{1}) }, nil},
	"the end": {func(c *net.TCPConn) { _ = c.CloseWrite() }, io.EOF},
	"a reset": {reset, syscall.ECONNRESET},
}

func checkRead(t *testing.T, name string, r *Reader, want error) {
	t.Helper()
	if n, err := r.Read(make([]byte, 1)); !errors.Is(err, want) || (n == 1) != (want == nil) {
		t.Errorf("%s: got %d bytes and %v, want %v", name, n, err, want)
	}
}

// To wait takes nothing away from the socket: bytes, the end and errors are still to be read.
func TestWaitTakesNothing(t *testing.T) {
	t.Parallel()
	for name, end := range ends {
		far, near := testenv.TCPPair(t)
		r := NewReader(near)
		checkRead(t, name, r, ErrNothing)
		end.do(far)
		for range 3 {
			r.Wait()
		}
		checkRead(t, name, r, end.want)
	}
}

// A deadline and a close end the wait, and are what the next read gets.
func TestWaitIsEnded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do   func(*net.TCPConn) error
		want error
	}{
		"a deadline": {func(c *net.TCPConn) error { return c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"a close":    {(*net.TCPConn).Close, net.ErrClosed},
	} {
		_, near := testenv.TCPPair(t)
		r := NewReader(near)
		waited := make(chan struct{})
		go func() {
			r.Wait()
			close(waited)
		}()
		if err := tt.do(near); err != nil {
			t.Fatal(err)
		}
		<-waited
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, tt.want) || errors.Is(err, ErrNothing) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A Lot calls each connection's function once, when the peer has done something, whether
// before or after it was taken.
func TestLot(t *testing.T) {
	before := runtime.NumGoroutine()
	var lot Lot
	for name, end := range ends {
		for _, isEarly := range []bool{true, false} {
			far, near := testenv.TCPPair(t)
			other, idle := testenv.TCPPair(t)
			spot, ok := lot.Take(idle, func() { t.Errorf("%s: an idle connection is ready", name) })
			if !ok {
				t.Fatal("an idle connection was not taken")
			}
			for range 3 { // it may be taken again
				if isEarly {
					end.do(far)
				}
				ready := make(chan struct{})
				mine, ok := lot.Take(near, func() { close(ready) })
				if !ok {
					t.Fatalf("%s: not taken", name)
				}
				if !isEarly {
					end.do(far)
				}
				<-ready
				if lot.Leave(near, mine) {
					t.Errorf("%s: it was called, and is still there", name)
				}
				checkRead(t, name, NewReader(near), end.want)
				if end.want != nil {
					break
				}
			}
			if !lot.Leave(idle, spot) || lot.Leave(idle, spot) {
				t.Errorf("%s: an idle connection leaves not once", name)
			}
			_, _ = other.Close(), idle.Close()
		}
	}
	testenv.AwaitGoroutines(t, before)
}

// A connection that was closed is not taken, and one that is closed afterwards can leave.
func TestLotOfClosed(t *testing.T) {
	before := runtime.NumGoroutine()
	var lot Lot
	_, near := testenv.TCPPair(t)
	never := func() { t.Error("a closed connection is ready") }
	spot, ok := lot.Take(near, never)
	near.Close()
	if !ok || !lot.Leave(near, spot) {
		t.Error("it does not leave")
	}
	if _, ok := lot.Take(near, never); ok {
		t.Error("it was taken")
	}
	testenv.AwaitGoroutines(t, before)
}
