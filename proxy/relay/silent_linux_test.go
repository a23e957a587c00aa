package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A hole is a network of its own that can stop to carry anything to and from a side.
type hole struct {
	do   chan func() error
	done chan error
}

func newHole(t *testing.T) *hole {
	t.Helper()
	testenv.Need(t, "ip", "nft")
	testenv.NeedRoot(t, "make networks")
	h := &hole{do: make(chan func() error), done: make(chan error)}
	go h.serve()
	t.Cleanup(func() { close(h.do) })
	h.in(t, func() error { return unix.Unshare(unix.CLONE_NEWNET) })
	h.run(t, "", "ip", "link", "set", "lo", "up")
	return h
}

// serve does things on a thread of the network. It is never unlocked, so that it ends with
// the goroutine.
func (h *hole) serve() {
	runtime.LockOSThread()
	for do := range h.do {
		h.done <- do()
	}
}

// in does something in the network.
func (h *hole) in(t *testing.T, do func() error) {
	t.Helper()
	h.do <- do
	if err := <-h.done; err != nil {
		t.Fatal(err)
	}
}

// run runs a program in the network.
func (h *hole) run(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	h.in(t, func() error {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, out)
		}
		return nil
	})
}

// pair returns both ends of a connection in the network.
func (h *hole) pair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	h.in(t, func() error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		a, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			return err
		}
		b, err := ln.Accept()
		if err != nil {
			return err
		}
		ours, theirs = a.(*net.TCPConn), b.(*net.TCPConn)
		return nil
	})
	t.Cleanup(func() {
		_ = ours.Close()
		_ = theirs.Close()
	})
	return ours, theirs
}

// swallow lets nothing through any more to conn, and what comes from it only if that is
// said.
func (h *hole) swallow(t *testing.T, conn net.Conn, oneWay bool) {
	t.Helper()
	port := conn.LocalAddr().(*net.TCPAddr).Port
	rule := fmt.Sprintf("tcp dport %d drop;", port)
	if !oneWay {
		rule += fmt.Sprintf(" tcp sport %d drop;", port)
	}
	h.run(t, "table ip hole { chain in { type filter hook prerouting priority raw; "+rule+" }; }", "nft", "-f", "-")
}

// A side that is gone without a word, while something is on its way to it, ends the
// relay, and is the reason.
func TestGoneWithoutAWord(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		gone  Side
		inTLS bool
		size  int
		want  record.Reason // empty: the end of an idle connection
		much  bool
		// oneWay means that what the side sends still arrives.
		oneWay bool
	}{
		"the destination, in a command":     {Upstream, true, 100, record.ReasonUpstreamCutOff, false, false},
		"the destination, in a mail":        {Upstream, true, 100_000, record.ReasonUpstreamCutOff, true, false},
		"the destination, passed":           {Upstream, false, 100_000, record.ReasonUpstreamCutOff, true, false},
		"the destination, passed, a little": {Upstream, false, 100, "", false, false},
		"the client, in a download":         {Client, true, 100_000, record.ReasonClientCutOff, true, false},
		"the client, passed":                {Client, false, 100_000, record.ReasonClientCutOff, true, false},
		"the destination, in one way":       {Upstream, true, 100_000, record.ReasonUpstreamCutOff, true, true},
		"the client, asleep":                {Client, true, 100, "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHole(t)
			client, clientEnd := h.pair(t)
			upstream, upstreamEnd := h.pair(t)
			r := &Relay{Client: client, Upstream: upstream, Idle: time.Hour, Silent: 300 * time.Millisecond, InTLS: tt.inTLS}
			r.Abort = func() { Reset(client); Reset(upstream) }
			ended := make(chan error, 1)
			go func() {
				_, _, err := r.Run()
				ended <- err
			}()
			// A byte each way shows that the relay runs.
			oneByte(t, clientEnd, upstreamEnd)
			oneByte(t, upstreamEnd, clientEnd)
			gone, other := clientEnd, upstreamEnd
			if tt.gone == Upstream {
				gone, other = upstreamEnd, clientEnd
			}
			h.swallow(t, gone, tt.oneWay)
			_, _ = other.Write(make([]byte, tt.size)) // it may be reset meanwhile
			_, _ = gone.Write([]byte{1})              // which it repeats, as it gets no answer

			err := <-ended
			var f *record.Failure
			var cut *CutOffError
			switch {
			case !errors.Is(err, ErrIdle):
				t.Errorf("got %v", err)
			case tt.want == "" && errors.As(err, &f):
				t.Errorf("got %v, want the end of an idle connection", err)
			case tt.want == "":
			case !errors.As(err, &f) || f.Reason != tt.want || !errors.As(err, &cut) || cut.Side != tt.gone || cut.Unsent != tt.much:
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// A side that does not read has the idle time: it still acknowledges, at first more often
// than in the time that is given here.
func TestNotReadingIsNotGone(t *testing.T) {
	t.Parallel()
	h := newHole(t)
	client, clientEnd := h.pair(t)
	upstream, upstreamEnd := h.pair(t)
	r := &Relay{Client: client, Upstream: upstream, Idle: time.Second, Silent: 800 * time.Millisecond, InTLS: true}
	r.Abort = func() { Reset(client); Reset(upstream) }
	ended := make(chan error, 1)
	go func() {
		_, _, err := r.Run()
		ended <- err
	}()
	go func() { _, _ = upstreamEnd.Write(make([]byte, 64<<20)) }() // ends with the connection
	if err := <-ended; !errors.Is(err, ErrStuck) {
		t.Errorf("got %v", err)
	}
	_ = clientEnd.Close()
}

func oneByte(t *testing.T, from, to net.Conn) {
	t.Helper()
	if _, err := from.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(to, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}
