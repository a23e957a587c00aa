package clienttls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/testenv"
	"github.com/tlslift/tlslift/proxy/ticketkeys"
)

const resumeHost = "outlook.office365.com"

// serverWith returns a server with the ticket keys of a file, as after a start.
func serverWith(t *testing.T, file string) *Server {
	t.Helper()
	keys, err := ticketkeys.Open(ticketkeys.Options{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{CA: &localca.CA{}, Tickets: keys, Timeout: testenv.Patience})
}

// visit connects a client to a server, and reports whether it has resumed a session.
func visit(t *testing.T, s *Server, stack decide.Stack, destination string, leaf *tls.Certificate, cfg *tls.Config) bool {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	ended := make(chan bool, 1)
	go func() {
		defer far.Close()
		conn := relay.NewConn(far)
		defer conn.Release()
		h, err := clienthello.Peek(conn)
		if err != nil {
			ended <- false
			return
		}
		c, err := s.Handshake(context.Background(), conn, Client{Hello: h, Stack: stack, Host: resumeHost, Destination: destination}, leaf)
		if err != nil {
			ended <- false
			return
		}
		_, _ = c.Write([]byte("x"))
		ended <- c.Handshake().Resumed
	}()
	client := tls.Client(near, cfg)
	if err := near.SetDeadline(time.Now().Add(testenv.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); err != nil { // a ticket of TLS 1.3 comes before it
		t.Fatal(err)
	}
	resumed := <-ended
	if resumed != client.ConnectionState().DidResume {
		t.Error("the two sides do not agree on whether they resume")
	}
	return resumed
}

// Tickets of both stacks survive a restart and are good on a replica with the same
// file, for the same destination and in the same stack only. No other tlslift opens
// them, not even one with the same CA.
func TestTicketsOverARestart(t *testing.T) {
	t.Parallel()
	leaf := testenv.SelfSigned(t, testenv.Template(resumeHost, resumeHost), testenv.RSAKey(t, 0))
	roots := x509.NewCertPool()
	roots.AddCert(leaf.Leaf)
	for name, tt := range map[string]struct {
		stack   decide.Stack
		version uint16
	}{
		"crypto/tls, TLS 1.3": {decide.CryptoStack, tls.VersionTLS13},
		"legacytls, TLS 1.2":  {decide.LegacyStack, tls.VersionTLS12},
		"legacytls, TLS 1.0":  {decide.LegacyStack, tls.VersionTLS10},
	} {
		file := filepath.Join(t.TempDir(), "ticket.keys")
		cfg := &tls.Config{
			ServerName: resumeHost, RootCAs: roots, MinVersion: tt.version, MaxVersion: tt.version,
			ClientSessionCache: tls.NewLRUClientSessionCache(4),
		}
		for i, step := range []struct {
			server      *Server
			destination string
			want        bool
		}{
			{serverWith(t, file), "a.example:443", false},
			{serverWith(t, file), "a.example:443", true},
			{serverWith(t, file), "b.example:443", false},
			{serverWith(t, file), "b.example:443", true},
			{serverWith(t, filepath.Join(t.TempDir(), "ticket.keys")), "b.example:443", false},
		} {
			if got := visit(t, step.server, tt.stack, step.destination, &leaf, cfg); got != step.want {
				t.Errorf("%s, step %d: resumed: %v", name, i, got)
			}
		}
	}
}
