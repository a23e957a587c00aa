package proxy

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/record"
)

// A clientTLS is the client's TLS, ended by one of the two engines.
type clientTLS interface {
	net.Conn
	HandshakeContext(ctx context.Context) error
	CloseWrite() error
}

// endClientTLS does the handshake with the client, with a leaf that has also
// the names of mirror.
func (s *Server) endClientTLS(ctx context.Context, c *client, mirror []string, protocol string) error {
	leaf, err := s.cfg.CA.Leaf(c.destination.Host, mirror, leafProfile(c.hello, c.options.Leaf))
	if err != nil {
		return record.Fail(record.ReasonInternal, fmt.Errorf("making leaf: %w", err))
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.HandshakeTimeout)
	defer cancel()
	start := time.Now()
	c.startedTLS = true
	watched := &watchedClient{client: c}
	var conn clientTLS
	if engineFor(c.hello, s.weak(c)) == legacyEngine {
		conn = legacytls.Server(watched, s.legacyConfig(c, leaf, protocol))
	} else {
		conn = tls.Server(watched, s.cryptoConfig(c, leaf, protocol))
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		return clientFailure(err, watched.silentSince(leaf))
	}
	c.rec.ClientTLS = clientHandshake(conn, start)
	c.inside = conn
	return nil
}

// A watchedClient notices how far a handshake gets.
type watchedClient struct {
	*client
	sent     atomic.Int64
	answered atomic.Bool // something was read since something was sent
}

// Read implements net.Conn.
func (w *watchedClient) Read(p []byte) (int, error) {
	n, err := w.client.Read(p)
	if n > 0 && w.sent.Load() > 0 {
		w.answered.Store(true)
	}
	return n, err
}

// Write implements net.Conn.
func (w *watchedClient) Write(p []byte) (int, error) {
	n, err := w.client.Write(p)
	w.sent.Add(int64(n))
	return n, err
}

// silentSince says whether a client was sent a certificate and said nothing to
// that. What is sent when a session is resumed is shorter than a certificate.
func (w *watchedClient) silentSince(leaf *tls.Certificate) bool {
	return !w.answered.Load() && w.sent.Load() > int64(len(leaf.Certificate[0]))
}

// legacyConfig is the one place that configures legacytls.
func (s *Server) legacyConfig(c *client, leaf *tls.Certificate, protocol string) *legacytls.Config {
	return &legacytls.Config{
		Certificate:  leaf,
		MaxVersion:   min(c.hello.MaxVersion(), tls.VersionTLS12),
		Suites:       s.weak(c),
		DHBits:       cmp.Or(c.options.DHBits, s.cfg.DHBits),
		SplitRecords: c.options.SplitRecords,
		Protocol:     protocol,
		Sessions:     s.sessions,
		Binding:      c.destination.String(),
	}
}

// cryptoConfig is the one place that configures crypto/tls towards clients.
func (s *Server) cryptoConfig(c *client, leaf *tls.Certificate, protocol string) *tls.Config {
	cfg := &tls.Config{ //nolint:gosec // TLS 1.3 is for those who offer it
		Certificates: []tls.Certificate{*leaf},
		CipherSuites: servedSuites(c.hello, s.weak(c).RC4),
		MinVersion:   tls.VersionTLS12,
		MaxVersion:   tls.VersionTLS12,
	}
	// A capable client that the destination refused may speak only TLS 1.3.
	if c.hello.Offers(tls.VersionTLS13) {
		cfg.MaxVersion = tls.VersionTLS13
	}
	if protocol != "" {
		cfg.NextProtos = []string{protocol}
	}
	s.bindTickets(cfg, c.destination.String())
	return cfg
}

// bindTickets makes session tickets good for one destination only: a client
// that resumes sees no certificate, so a ticket must not carry its trust from
// one destination to another.
func (s *Server) bindTickets(cfg *tls.Config, destination string) {
	cfg.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		ss.Extra = append(ss.Extra, []byte(destination))
		return s.tickets.EncryptTicket(cs, ss)
	}
	cfg.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		ss, err := s.tickets.DecryptTicket(identity, cs)
		if err != nil || ss == nil {
			return nil, err
		}
		bound := slices.ContainsFunc(ss.Extra, func(e []byte) bool { return bytes.Equal(e, []byte(destination)) })
		if !bound {
			return nil, nil // a full handshake instead
		}
		return ss, nil
	}
}

func clientHandshake(conn clientTLS, start time.Time) *record.Handshake {
	legacy, is := conn.(*legacytls.Conn)
	if !is {
		return handshakeOf(conn.(*tls.Conn).ConnectionState(), start)
	}
	state := legacy.ConnectionState()
	return &record.Handshake{
		Version:     clienthello.VersionName(state.Version),
		CipherSuite: legacytls.SuiteName(state.CipherSuite),
		Resumed:     state.DidResume,
		Duration:    time.Since(start),
	}
}

func handshakeOf(cs tls.ConnectionState, start time.Time) *record.Handshake {
	return &record.Handshake{
		Version:     clienthello.VersionName(cs.Version),
		CipherSuite: tls.CipherSuiteName(cs.CipherSuite),
		Resumed:     cs.DidResume,
		Duration:    time.Since(start),
	}
}
