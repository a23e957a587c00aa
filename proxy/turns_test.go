package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
	"github.com/tlslift/tlslift/proxy/turns"
)

// A busyQueue is a queue of turns in which another client computes.
type busyQueue struct {
	*turns.Queue
	holder *turns.Turn
}

// newBusyQueue returns one in which so many may wait.
func newBusyQueue(t *testing.T, waiting int) *busyQueue {
	t.Helper()
	q := &busyQueue{Queue: turns.New(turns.Config{AtOnce: 1, Waiting: waiting})}
	q.holder = q.other()
	if err := q.holder.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.holder.End)
	return q
}

// other is the turn of another client.
func (q *busyQueue) other() *turns.Turn {
	return q.For(&record.Record{Client: netip.MustParseAddr("192.0.2.1")}, func() bool { return false })
}

// full has others wait for their turn as long as the test runs, until nobody may any more.
func (q *busyQueue) full(t *testing.T) *busyQueue {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = q.other().Begin(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	q.await(t, 1)
	return q
}

// await waits until so many handshakes wait.
func (q *busyQueue) await(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); q.Waiting() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d handshakes wait, want %d", q.Waiting(), n)
		}
	}
}

// A client that finds too many handshakes before its own is told so in its protocol.
func TestTooManyHandshakes(t *testing.T) {
	t.Parallel()
	const internalError = "remote error: tls: internal error"
	fake := testenv.FakeM365(t)
	server := echo(t, fake)
	w := newWorld(t, fake, server.Addr(), func(c *proxy.Config) { c.Turns = newBusyQueue(t, 1).full(t).Queue })
	err := tls.Client(dial(t, w.tls), w.oldConfig()).HandshakeContext(t.Context())
	if err == nil || err.Error() != internalError {
		t.Errorf("a TLS client got %v", err)
	}
	w.expect(record.OutcomeFailed, record.ReasonOverloaded)
	_, err = w.client(tls.VersionTLS10).Get(t.Context(), "https://"+host+"/")
	if err == nil || !strings.Contains(err.Error(), internalError) {
		t.Errorf("a client of the proxy got %v", err)
	}
	w.expect(record.OutcomeFailed, record.ReasonOverloaded)
	// One that needs no lifting needs no turn.
	capable := tls.Client(dial(t, w.tls), &tls.Config{ServerName: host, RootCAs: fake.Roots(), MinVersion: tls.VersionTLS12})
	if err := capable.HandshakeContext(t.Context()); err != nil {
		t.Errorf("a capable client got %v", err)
	}
	_ = capable.Close()
	w.expect(record.OutcomePassed, "")
}

// The same for mail clients, which read plaintext, or are at TLS already.
func TestTooManyHandshakesOfMail(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) { c.Turns = newBusyQueue(t, 1).full(t).Queue })
	waiting := dial(t, w.at[viaPlain])
	if reply, err := io.ReadAll(waiting); err != nil || !strings.HasPrefix(string(reply), "421 4.3.2 ") {
		t.Errorf("a client without TLS got %q, %v", reply, err)
	}
	w.expect(record.OutcomeFailed, record.ReasonOverloaded)
	for _, via := range []string{viaSMTP, viaSMTPS} {
		conn := dial(t, w.at[via])
		if via == viaSMTP {
			r := bufio.NewReader(conn)
			for _, command := range []string{"", "EHLO device.example\r\n", "STARTTLS\r\n"} {
				send(t, conn, command)
				for line := "   -"; line[3] == '-'; {
					var err error
					if line, err = r.ReadString('\n'); err != nil || len(line) < 4 {
						t.Fatalf("%q, %v", line, err)
					}
				}
			}
		}
		cfg := w.oldConfig()
		cfg.ServerName = mailHost
		if err := tls.Client(conn, cfg).HandshakeContext(t.Context()); err == nil || !strings.Contains(err.Error(), "internal error") {
			t.Errorf("%s: got %v", via, err)
		}
		w.expect(record.OutcomeFailed, record.ReasonOverloaded)
	}
}

// Clients wait for their turn, and are served when it comes. One that goes away leaves.
func TestWaitingForATurn(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := echo(t, fake)
	queue := newBusyQueue(t, 100)
	w := newWorld(t, fake, server.Addr(), func(c *proxy.Config) { c.Turns = queue.Queue })
	const clients = 5
	served := make(chan error, clients)
	for range clients {
		conn := tls.Client(dial(t, w.tls), w.oldConfig())
		go func() {
			_, err := io.WriteString(conn, "hello")
			_, readErr := io.ReadFull(conn, make([]byte, 5))
			served <- errors.Join(err, readErr, conn.Close())
		}()
	}
	queue.await(t, clients)

	impatient := dial(t, w.tls)
	go func() { _ = tls.Client(impatient, w.oldConfig()).HandshakeContext(t.Context()) }() // ends with the connection
	queue.await(t, clients+1)
	_ = impatient.Close()
	queue.await(t, clients)
	w.expect(record.OutcomeFailed, record.ReasonClientClosed)

	queue.holder.End()
	for range clients {
		if err := <-served; err != nil {
			t.Error(err)
		}
		if r := w.expect(record.OutcomeLifted, ""); r.HandshakeWait <= 0 {
			t.Error("the record does not say that it has waited")
		}
	}
	queue.await(t, 0)
}

// A client whose turn does not come within the handshake timeout has that as its reason.
func TestNoTurnInTime(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := echo(t, fake)
	w := newWorld(t, fake, server.Addr(), func(c *proxy.Config) {
		c.Turns, c.HandshakeTimeout = newBusyQueue(t, 100).Queue, time.Second
	})
	if err := tls.Client(dial(t, w.tls), w.oldConfig()).HandshakeContext(t.Context()); err == nil {
		t.Error("the handshake was done without a turn")
	}
	w.expect(record.OutcomeFailed, record.ReasonOverloaded)
}

// A client without TLS that has said all, and has closed its side, has not gone.
func TestHalfClosedIsNotGone(t *testing.T) {
	t.Parallel()
	queue := newBusyQueue(t, 100)
	w := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) { c.Turns = queue.Queue })
	conn := dial(t, w.at[viaPlain])
	send(t, conn, "QUIT\r\n")
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	queue.await(t, 1)
	queue.holder.End()
	if replies, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(replies), "220 ") {
		t.Errorf("got %q, %v", replies, err)
	}
	w.expect(record.OutcomeFailed, record.ReasonClosedBeforeTLS) // it has said QUIT
}
