package relay

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// startRelay relays the content of TLS between two TCP connections and returns their
// far ends.
func startRelay(t *testing.T, idle time.Duration) (client, server *net.TCPConn, r *Relay, ended chan error) {
	t.Helper()
	return startRelayOf(t, idle, true)
}

// startRelayOf does so with TLS itself too.
func startRelayOf(t *testing.T, idle time.Duration, inTLS bool) (client, server *net.TCPConn, r *Relay, ended chan error) {
	t.Helper()
	client, ourClient := testenv.TCPPair(t)
	ourServer, server := testenv.TCPPair(t)
	r = &Relay{InTLS: inTLS, Client: ourClient, Upstream: ourServer, Idle: idle, Abort: func() {
		Reset(ourClient)
		Reset(ourServer)
	}}
	ended = make(chan error, 1)
	go func() {
		_, _, err := r.Run()
		ended <- err
	}()
	return client, server, r, ended
}

func TestRelayHonoursHalfCloseBothWays(t *testing.T) {
	t.Parallel()
	for _, clientFirst := range []bool{true, false} {
		client, server, r, ended := startRelay(t, time.Minute)
		first, second := client, server
		if !clientFirst {
			first, second = server, client
		}
		write(t, first, "question")
		if err := first.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, second); got != "question" {
			t.Errorf("clientFirst=%v: arrived %q", clientFirst, got)
		}
		// The other direction goes on after the first has ended.
		write(t, second, "answer")
		if err := second.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, first); got != "answer" {
			t.Errorf("clientFirst=%v: came back %q", clientFirst, got)
		}
		if err := <-ended; err != nil {
			t.Errorf("clientFirst=%v: relay ended with %v", clientFirst, err)
		}
		if sum := r.directions[Client].moved.Load() + r.directions[Upstream].moved.Load(); sum != int64(len("question")+len("answer")) {
			t.Errorf("counted %d bytes", sum)
		}
	}
}

func TestRelayCarriesBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	client, server, r, ended := startRelay(t, time.Minute)
	data := make([]byte, 8<<20)
	_, _ = rand.Read(data)
	want := sha256.Sum256(data)
	var wg sync.WaitGroup
	for _, end := range []*net.TCPConn{client, server} {
		wg.Go(func() {
			if _, err := io.Copy(end, bytes.NewReader(data)); err != nil {
				t.Error(err)
			}
			_ = end.CloseWrite()
		})
		wg.Go(func() {
			h := sha256.New()
			if _, err := io.Copy(h, end); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(h.Sum(nil), want[:]) {
				t.Error("the bytes changed on the way")
			}
		})
	}
	wg.Wait()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if r.directions[Client].moved.Load() != int64(len(data)) || r.directions[Upstream].moved.Load() != int64(len(data)) {
		t.Errorf("counted %d and %d bytes", r.directions[Client].moved.Load(), r.directions[Upstream].moved.Load())
	}
}

// When one side is reset, the other is ended too and nothing hangs. The side is
// named.
func TestRelayEndsBothSidesOnReset(t *testing.T) {
	t.Parallel()
	for _, side := range []Side{Client, Upstream} {
		client, server, _, ended := startRelay(t, time.Minute)
		first, second := client, server
		if side == Upstream {
			first, second = server, client
		}
		Reset(first)
		var cut *CutOffError
		if err := <-ended; !errors.As(err, &cut) || cut.Side != side || !IsReset(err) {
			t.Errorf("reset by the %s: got %v", side, err)
		}
		if _, err := io.ReadAll(second); err != nil && !IsReset(err) {
			t.Errorf("the other side saw %v", err)
		}
	}
}

// What counts as a break, by the order in which the sides end.
func TestEnding(t *testing.T) {
	t.Parallel()
	type event struct {
		side  Side
		err   error
		write bool
	}
	var (
		clientFIN   = event{Client, nil, false}
		upstreamFIN = event{Upstream, nil, false}
		clientRST   = event{Client, syscall.ECONNRESET, false}
		upstreamRST = event{Upstream, syscall.ECONNRESET, false}
		clientCut   = event{Client, ErrNoCloseNotify, false}
		upstreamCut = event{Upstream, ErrNoCloseNotify, false}
		toClient    = event{Client, syscall.EPIPE, true}
		toUpstream  = event{Upstream, syscall.EPIPE, true}
		alert       = event{Client, errors.New("an alert"), false}
		timedOut    = event{Upstream, syscall.ETIMEDOUT, false}
	)
	const nobody = Side(9)
	for _, tt := range []struct {
		name   string
		inTLS  bool
		last   Side
		events []event
		want   Side
	}{
		{"both end", true, Upstream, []event{clientFIN, upstreamFIN}, nobody},
		{"reset after both have ended", true, Upstream, []event{upstreamFIN, clientFIN, clientRST, upstreamRST}, nobody},
		{"client reset after the destination's end", true, Upstream, []event{upstreamFIN, clientRST}, nobody},
		{"client reset", true, Upstream, []event{clientRST}, Client},
		{"client reset, passed", false, Upstream, []event{clientRST}, nobody},
		{"destination reset", true, Upstream, []event{upstreamRST}, Upstream},
		// A close_notify that is passed on to a destination that has closed.
		{"destination reset, passed", false, Client, []event{upstreamRST}, nobody},
		{"destination gone, passed", false, Client, []event{toUpstream}, nobody},
		{"network of the destination gone", true, Upstream, []event{timedOut}, Upstream},
		{"old client closes", true, Upstream, []event{clientCut, upstreamFIN}, nobody},
		{"old client closes, the destination too", true, Upstream, []event{clientCut, upstreamCut}, nobody},
		{"old client waits, the destination closes", true, Client, []event{clientCut, upstreamCut}, Upstream},
		{"client waits, the destination resets", true, Client, []event{clientFIN, upstreamRST}, Upstream},
		{"client gone, the destination resets", true, Upstream, []event{clientFIN, upstreamRST}, nobody},
		{"client closes while more comes", true, Upstream, []event{clientCut, toClient}, Client},
		{"the same, passed", false, Upstream, []event{clientFIN, toClient}, nobody},
		{"client writes to a destination that has ended", true, Client, []event{upstreamFIN, toUpstream}, nobody},
		{"destination cut, then everything else", true, Client, []event{upstreamCut, toUpstream, clientRST}, Upstream},
		{"destination cut, the client complains", true, Client, []event{upstreamCut, alert}, Upstream},
		{"the client complains and resets", true, Client, []event{alert, clientRST}, nobody},
	} {
		e := ending{inTLS: tt.inTLS, last: tt.last}
		for _, v := range tt.events {
			e.end(v.side, v.err, v.write)
		}
		got := nobody
		var cut *CutOffError
		if errors.As(e.first, &cut) {
			got = cut.Side
		}
		if got != tt.want {
			t.Errorf("%s: broken off by %d, want %d", tt.name, got, tt.want)
		}
	}
}

// A connection that moves bytes lives; one that moves none ends, also when
// bytes are stuck because the receiver does not read.
func TestRelayIdleTimeout(t *testing.T) {
	t.Parallel()
	const idle = 10 * time.Minute
	for _, tt := range []struct {
		name  string
		took  time.Duration
		drive func(t *testing.T, client, server net.Conn)
	}{
		{"silence", idle, func(*testing.T, net.Conn, net.Conn) {}},
		{"receiver does not read", idle, func(_ *testing.T, client, _ net.Conn) { _, _ = client.Write([]byte("x")) }},
		{"a word after a while", idle + 9*time.Minute, func(_ *testing.T, client, server net.Conn) {
			time.Sleep(9 * time.Minute)
			go func() { _, _ = client.Write([]byte("x")) }()
			_, _ = server.Read(make([]byte, 1))
		}},
		{"one direction trickles, then silence", idle + 20*(idle-time.Second), func(t *testing.T, client, server net.Conn) {
			for range 20 {
				time.Sleep(idle - time.Second) // fake time: the bubble's clock
				go func() { _, _ = client.Write([]byte("x")) }()
				if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
					t.Errorf("cut off while bytes moved: %v", err)
				}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, ourClient := net.Pipe()
				ourServer, server := net.Pipe()
				r := Relay{Client: ourClient, Upstream: ourServer, Idle: idle, Abort: func() {
					_ = ourClient.Close()
					_ = ourServer.Close()
				}}
				go tt.drive(t, client, server)
				start := time.Now()
				if _, _, err := r.Run(); !errors.Is(err, ErrIdle) {
					t.Errorf("ended with %v, want the idle timeout", err)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("ended after %v, want %v", took, tt.took)
				}
				_ = client.Close()
				_ = server.Close()
			})
		})
	}
}

func write(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A line is waited for as long as the connection begins like one, and nothing is
// consumed.
func TestAwaitLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, sent, seen string }{
		{"whole", "PROXY a\r\n", "PROXY a\r\n"},
		{"too long", "PROXY abcdefghijklmnop", "PROXY abcdef"},
		{"another word", "POST ", "PO"},
		{"another beginning", "\x16\x03", "\x16"},
	} {
		client, server := net.Pipe()
		var sending sync.WaitGroup
		sending.Go(func() {
			for i := range tt.sent { // each write is a read
				if _, err := io.WriteString(client, tt.sent[i:i+1]); err != nil {
					return
				}
			}
		})
		c := NewConn(server)
		if err := c.AwaitLine("PROXY ", 12); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got, _ := c.Reader().Peek(c.Reader().Buffered()); string(got) != tt.seen {
			t.Errorf("%s: waited for %q, want %q", tt.name, got, tt.seen)
		}
		_ = c.Close()
		sending.Wait()
		c.Release()
	}
}
