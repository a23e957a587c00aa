package proxy_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A barrier stands before a server and refuses, while it is shut, the hellos that offer RSA
// key exchange: tlslift's own do not.
type barrier struct {
	shut    atomic.Bool
	refused atomic.Int32
}

func (g *barrier) serve(t *testing.T, server string) string {
	t.Helper()
	return testenv.Serve(t, func(near net.Conn) {
		conn := relay.NewConn(near)
		defer conn.Release()
		h, err := clienthello.Peek(conn)
		if err != nil {
			return
		}
		if g.shut.Load() && slices.Contains(h.CipherSuites, tls.TLS_RSA_WITH_AES_128_GCM_SHA256) {
			g.refused.Add(1)
			_, _ = near.Write([]byte{21, 3, 3, 0, 2, 2, 40})
			return
		}
		far, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(far, conn); _ = relay.CloseWrite(far) })
		both.Go(func() { _, _ = io.Copy(near, far); _ = relay.CloseWrite(near) })
		both.Wait()
		_ = far.Close()
	}).String()
}

// gatedWorld has a barrier before its web server.
func gatedWorld(t *testing.T) (*world, *barrier) {
	t.Helper()
	fake, g := testenv.FakeM365(t), &barrier{}
	return newWorld(t, fake, g.serve(t, https(t, fake, fakem365.TLSOptions{}).Addr()), nil), g
}

// capable returns the configuration of a TLS 1.2 client that could reach the destination,
// and that trusts tlslift or not.
func (w *world) capable(trusts bool) *tls.Config {
	cfg := &tls.Config{
		ServerName: host, RootCAs: w.fake.Roots(), MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_GCM_SHA256},
	}
	if trusts {
		cfg.RootCAs = w.fake.Roots().Clone()
		cfg.RootCAs.AddCert(w.ca.Certificate())
	}
	return cfg
}

// visit connects a client, and reports whether its handshake was completed.
func (w *world) visit(cfg *tls.Config) bool {
	w.t.Helper()
	client := tls.Client(dial(w.t, w.tls), cfg)
	err := client.HandshakeContext(w.t.Context())
	_ = client.Close()
	return err == nil
}

// One illegal hello made every modern client of its address lifted for an hour. Now it
// teaches nothing: its own connection was not lifted, and it is another hello.
func TestIllegalHelloTeachesNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(hello []byte) []byte{
		"renegotiation data": func(b []byte) []byte {
			return bytes.Replace(b, []byte{0xff, 1, 0, 1, 0}, []byte{0xff, 1, 0, 1, 1}, 1)
		},
		"status request": func(b []byte) []byte {
			return bytes.Replace(b, []byte{0, 5, 0, 5, 1, 0, 0, 0, 0}, []byte{0, 5, 0, 5, 1, 0, 9, 0, 0}, 1)
		},
		"extended master secret twice": func(b []byte) []byte {
			return bytes.Replace(b, []byte{0, 18, 0, 0}, []byte{0, 23, 0, 0}, 1)
		},
	} {
		w, _ := gatedWorld(t)
		hello := recordedHello(t, w.capable(false))
		illegal := change(slices.Clone(hello))
		if bytes.Equal(illegal, hello) {
			t.Fatalf("%s: the hello is not changed", name)
		}
		conn := dial(t, w.tls)
		if _, err := conn.Write(illegal); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(conn, 7)) // an alert of whoever answers
		_ = conn.Close()
		if r := w.record(); r.Outcome == record.OutcomePassed || r.Outcome == record.OutcomeLifted {
			t.Errorf("%s: the illegal hello is %s", name, r.Outcome)
		}
		if !w.visit(w.capable(false)) {
			t.Errorf("%s: a modern client does not get through", name)
		}
		if r := w.record(); r.Outcome != record.OutcomePassed || r.Rule != record.RuleCapable {
			t.Errorf("%s: a modern client is %s by %s", name, r.Outcome, r.Rule)
		}
	}
}

// recordedHello returns the hello of a client.
func recordedHello(t *testing.T, cfg *tls.Config) []byte {
	t.Helper()
	near, far := net.Pipe()
	var client sync.WaitGroup
	client.Go(func() { _ = tls.Client(near, cfg).HandshakeContext(t.Context()) })
	b := make([]byte, 4096)
	n, err := far.Read(b)
	_ = far.Close()
	client.Wait()
	_ = near.Close()
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// A refusal counts only when the client has then let itself be lifted: a modern client
// that does not trust tlslift is passed again once the destination takes it.
func TestRefusalIsEarned(t *testing.T) {
	t.Parallel()
	w, g := gatedWorld(t)
	g.shut.Store(true)
	if w.visit(w.capable(false)) {
		t.Error("a client that does not trust tlslift lets itself be lifted")
	}
	w.record()
	g.shut.Store(false)
	if !w.visit(w.capable(false)) {
		t.Error("it does not get through afterwards")
	}
	w.expect(record.OutcomePassed, "")
}

// What was earned lifts the client at once, until a client with the same hello rejects
// the lift.
func TestRefusalIsForgotten(t *testing.T) {
	t.Parallel()
	w, g := gatedWorld(t)
	g.shut.Store(true)
	for range 2 {
		if !w.visit(w.capable(true)) {
			t.Error("a client that trusts tlslift is not lifted")
		}
		if r := w.expect(record.OutcomeLifted, ""); r.Rule != record.RuleDestinationRefused {
			t.Errorf("lifted by %s", r.Rule)
		}
	}
	if n := g.refused.Load(); n != 1 {
		t.Errorf("the destination was asked %d times", n)
	}
	g.shut.Store(false)
	if w.visit(w.capable(false)) {
		t.Error("a client that does not trust tlslift lets itself be lifted")
	}
	w.record()
	for _, trusts := range []bool{false, true} {
		if !w.visit(w.capable(trusts)) {
			t.Error("a modern client does not get through afterwards")
		}
		w.expect(record.OutcomePassed, "")
	}
}

// sessionCache has the last session of one destination.
type sessionCache struct {
	mu    sync.Mutex
	state *tls.ClientSessionState
}

func (c *sessionCache) Get(string) (*tls.ClientSessionState, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state, c.state != nil
}

func (c *sessionCache) Put(_ string, state *tls.ClientSessionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state != nil {
		c.state = state
	}
}

// spoilt returns a session of TLS 1.3 with another secret, so that the destination refuses
// it: what it was told to resume is not what it knows.
func spoilt(t *testing.T, state *tls.ClientSessionState) *tls.ClientSessionState {
	t.Helper()
	ticket, session, err := state.ResumptionState()
	if err != nil {
		t.Fatal(err)
	}
	b, err := session.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b[2+1+2+8+1] ^= 1 // after version, type, suite, time and the length of the secret
	if session, err = tls.ParseSessionState(b); err != nil {
		t.Fatal(err)
	}
	if state, err = tls.NewResumptionState(ticket, session); err != nil {
		t.Fatal(err)
	}
	return state
}

// A client that spoils its session on purpose is refused and lifted. That made others of
// its address with the same hello, and good sessions, lifted for an hour.
func TestSpoiltSessionTeachesNothing(t *testing.T) {
	t.Parallel()
	w, _ := gatedWorld(t)
	visit := func(trusts bool, cache *sessionCache) (state tls.ConnectionState) {
		cfg := w.capable(trusts)
		cfg.MaxVersion, cfg.ClientSessionCache = tls.VersionTLS13, cache
		client := tls.Client(dial(t, w.tls), cfg)
		if _, err := io.WriteString(client, page); err != nil {
			t.Errorf("a client that trusts tlslift %t: %v", trusts, err)
			return state
		}
		_, _ = io.Copy(io.Discard, client) // tickets come with the answer
		_ = client.Close()
		return client.ConnectionState()
	}
	good := &sessionCache{}
	visit(false, good)
	w.expect(record.OutcomePassed, "")
	visit(true, &sessionCache{state: spoilt(t, good.state)})
	if r := w.expect(record.OutcomeLifted, ""); r.Rule != record.RuleDestinationRefused {
		t.Errorf("lifted by %s", r.Rule)
	}
	if !visit(false, good).DidResume {
		t.Error("the good session is not resumed")
	}
	w.expect(record.OutcomePassed, "")
}
