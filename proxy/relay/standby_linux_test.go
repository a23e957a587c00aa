package relay

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A counted connection knows whether somebody has a buffer to read it into.
type counted struct {
	net.Conn
	reads atomic.Int64 // under way
}

func (c *counted) Read(p []byte) (int, error) {
	c.reads.Add(1)
	defer c.reads.Add(-1)
	return c.Conn.Read(p)
}

// NetConn returns the connection that is counted.
func (c *counted) NetConn() net.Conn { return c.Conn }

// CloseWrite half-closes.
func (c *counted) CloseWrite() error { return CloseWrite(c.Conn) }

// awaitNone waits until nobody reads, and fails if that does not come.
func (c *counted) awaitNone(t *testing.T, when string) {
	t.Helper()
	for end := time.Now().Add(testenv.Patience); c.reads.Load() > 0; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%s: a buffer is held while nothing arrives", when)
		}
	}
}

// A lifted is a relay between the TLS of a client and that of a destination.
type lifted struct {
	client, server       *tls.Conn
	nearClient, nearFar  *counted
	clientTCP, serverTCP net.Conn
	relay                *Relay
	ended                chan error
}

// slowly sends each byte by itself.
type slowly struct{ net.Conn }

func (s slowly) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := s.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// startLifted starts one. Wrap is put below the TLS of both far ends.
func startLifted(t *testing.T, version uint16, wrap func(net.Conn) net.Conn) *lifted {
	t.Helper()
	certificate := testenv.SelfSigned(t, testenv.Template("relay.test", "relay.test"), testenv.ECDSAKey(t))
	config := &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: version, MaxVersion: version,
		ServerName: "relay.test", RootCAs: x509.NewCertPool(),
	}
	config.RootCAs.AddCert(certificate.Leaf)
	clientTCP, ourClient := testenv.TCPPair(t)
	ourServer, serverTCP := testenv.TCPPair(t)
	l := &lifted{clientTCP: clientTCP, serverTCP: serverTCP, ended: make(chan error, 1)}
	l.client, l.server = tls.Client(wrap(clientTCP), config), tls.Server(wrap(serverTCP), config)
	nearRaw, farRaw := NewRaw(NewConn(ourClient)), NewRaw(ourServer)
	near, far := tls.Server(nearRaw, config), tls.Client(farRaw, config)
	done := make(chan error, 4)
	for _, c := range []*tls.Conn{l.client, l.server, near, far} {
		go func() { done <- c.Handshake() }()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	l.nearClient, l.nearFar = &counted{Conn: NewTLS(near, nearRaw)}, &counted{Conn: NewTLS(far, farRaw)}
	l.relay = &Relay{InTLS: true, Client: l.nearClient, Upstream: l.nearFar, Idle: time.Hour}
	go l.relay.Start(func(_, _ int64, err error) {
		_, _ = ourClient.Close(), ourServer.Close()
		l.ended <- err
	})
	return l
}

// exchange sends bytes both ways at once.
func (l *lifted) exchange(t *testing.T, n int) {
	t.Helper()
	content := make([]byte, n)
	_, _ = rand.Read(content)
	done := make(chan error, 4)
	for _, c := range []*tls.Conn{l.client, l.server} {
		go func() {
			_, err := c.Write(content)
			done <- err
		}()
		go func() {
			got := make([]byte, n)
			_, err := io.ReadFull(c, got)
			if err == nil && !bytes.Equal(got, content) {
				err = errors.New("other bytes have arrived")
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// While nothing arrives there is no buffer to read into: at the beginning, after many bytes,
// and in the middle of a record. No direction comes to rest here, since that gives back its
// buffer too.
func TestNoBufferWhileNothingArrives(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		l := startLifted(t, version, func(c net.Conn) net.Conn { return c })
		l.relay.Wake() // for good
		awaitNone := func(when string) {
			t.Helper()
			l.nearClient.awaitNone(t, when)
			l.nearFar.awaitNone(t, when)
		}
		awaitNone("at the beginning")
		l.exchange(t, 1)
		awaitNone("after a byte")
		l.exchange(t, 1<<20)
		awaitNone("after many")
		if _, err := l.clientTCP.Write([]byte{dataType, 3, 3}); err != nil {
			t.Fatal(err)
		}
		awaitNone("in the middle of a record")
		l.exchangeEnds(t)
	}
}

// exchangeEnds ends the relay in the middle of a record.
func (l *lifted) exchangeEnds(t *testing.T) {
	t.Helper()
	if err := CloseWrite(l.clientTCP); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(l.server)
	l.server.Close()
	var cut *CutOffError
	if err := <-l.ended; !errors.As(err, &cut) || cut.Side != Client {
		t.Errorf("ended with %v, want that the client broke off", err)
	}
}

// Records arrive whole, whatever pieces of them are there at a time, and so does the end.
func TestRecordsInPieces(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		l := startLifted(t, version, func(c net.Conn) net.Conn { return slowly{c} })
		for _, n := range []int{1, 100, 5000} {
			l.exchange(t, n)
		}
		for _, c := range []*tls.Conn{l.client, l.server} { // each alone, after the other has the end
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []*tls.Conn{l.client, l.server} {
			if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
				t.Errorf("got %d bytes and %v, want the end", len(rest), err)
			}
		}
		if err := <-l.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	}
}

// A side that resets or is closed here wakes up who waits without a buffer.
func TestWaitsEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(l *lifted){
		"the client resets":      func(l *lifted) { Reset(l.clientTCP) },
		"the destination resets": func(l *lifted) { Reset(l.serverTCP) },
		"both are closed here": func(l *lifted) {
			Reset(socketOf(l.nearClient))
			Reset(socketOf(l.nearFar))
		},
	} {
		l := startLifted(t, tls.VersionTLS13, func(c net.Conn) net.Conn { return c })
		l.exchange(t, 10)
		l.nearClient.awaitNone(t, name)
		l.nearFar.awaitNone(t, name)
		end(l)
		select {
		case <-l.ended:
		case <-time.After(testenv.Patience):
			t.Errorf("%s: the relay goes on", name)
		}
	}
}
