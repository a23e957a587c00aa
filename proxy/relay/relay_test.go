package relay

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tcpPair is the two ends of one TCP connection over loopback.
func tcpPair(t *testing.T) (*net.TCPConn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := ln.Accept()
		accepted <- conn
	}()
	dialled, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn := <-accepted
	if conn == nil {
		t.Fatal("nothing was accepted")
	}
	t.Cleanup(func() { _ = conn.Close(); _ = dialled.Close() })
	return dialled.(*net.TCPConn), conn.(*net.TCPConn)
}

// startRelay relays between two TCP connections and returns their far ends.
func startRelay(t *testing.T, idle time.Duration) (client, server *net.TCPConn, r *Relay, ended chan error) {
	t.Helper()
	client, ourClient := tcpPair(t)
	ourServer, server := tcpPair(t)
	r = &Relay{Client: ourClient, Upstream: ourServer, Idle: idle, Abort: func() {
		_ = ourClient.Close()
		_ = ourServer.Close()
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
		if sum := r.fromClient.Load() + r.toClient.Load(); sum != int64(len("question")+len("answer")) {
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
	if r.fromClient.Load() != int64(len(data)) || r.toClient.Load() != int64(len(data)) {
		t.Errorf("counted %d and %d bytes", r.fromClient.Load(), r.toClient.Load())
	}
}

// When one side is reset, the other is ended too and nothing hangs.
func TestRelayEndsBothSidesOnReset(t *testing.T) {
	t.Parallel()
	client, server, _, ended := startRelay(t, time.Minute)
	if err := client.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	if err := <-ended; err != nil {
		t.Errorf("a reset is an ordinary end, got %v", err)
	}
	if _, err := io.ReadAll(server); err != nil && !IsReset(err) {
		t.Errorf("the other side saw %v", err)
	}
}

// A connection that moves bytes lives; one that moves none ends, also when
// bytes are stuck because the receiver does not read.
func TestRelayIdleTimeout(t *testing.T) {
	t.Parallel()
	const idle = 10 * time.Minute
	for _, tt := range []struct {
		name  string
		drive func(t *testing.T, client, server net.Conn)
	}{
		{"silence", func(*testing.T, net.Conn, net.Conn) {}},
		{"receiver does not read", func(_ *testing.T, client, _ net.Conn) { _, _ = client.Write([]byte("x")) }},
		{"one direction trickles, then silence", func(t *testing.T, client, server net.Conn) {
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
				if _, _, err := r.Run(); !errors.Is(err, ErrIdle) {
					t.Errorf("ended with %v, want the idle timeout", err)
				}
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
