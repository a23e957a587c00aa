package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/localca"
)

// lift opens verified TLS to the destination, ends the client's TLS with a
// leaf that mirrors the destination's certificate, and relays between the two.
func (s *Server) lift(ctx context.Context, c *client) error {
	c.lifting = true
	up, err := s.secureUpstream(ctx, c)
	if err != nil {
		return err
	}
	if err := s.endClientTLS(ctx, c, names(up.ConnectionState().PeerCertificates[0]), up.ConnectionState().NegotiatedProtocol); err != nil {
		return err
	}
	if c.mail != nil {
		return s.liftMail(c)
	}
	c.rec.Outcome = OutcomeLifted
	return s.relayBetween(c, lifted{c.inside, c.Conn}, up)
}

// relayBetween relays until both sides have ended, and counts the bytes.
func (s *Server) relayBetween(c *client, down, up net.Conn) error {
	r := relay{client: down, upstream: up, idle: s.cfg.IdleTimeout, abort: c.abort}
	err := r.run()
	c.rec.BytesFromClient += r.fromClient.Load()
	c.rec.BytesToClient += r.toClient.Load()
	return relayFailure(c.rec, err)
}

// A lifted is the client's side of a lifted connection. Nothing can follow a
// close_notify, so its half-close also sends a FIN: old clients that read
// until the end of the stream wait for that one.
type lifted struct {
	*tls.Conn
	raw net.Conn
}

func (l lifted) CloseWrite() error {
	if err := l.Conn.CloseWrite(); err != nil {
		return err
	}
	return closeWrite(l.raw)
}

// secureUpstream does the handshake with the destination, unless it has been
// done, offering what the client offered through ALPN.
func (s *Server) secureUpstream(ctx context.Context, c *client) (*tls.Conn, error) {
	if c.mail != nil && c.mail.secure != nil {
		return c.mail.secure, nil
	}
	if err := s.reach(ctx, c); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.HandshakeTimeout)
	defer cancel()
	start := time.Now()
	conn, err := s.upstream.Handshake(ctx, c.upstream, c.destination.Host, c.destination.Port, c.alpn())
	if err != nil {
		return nil, upstreamFailure(err)
	}
	c.rec.UpstreamTLS = handshakeOf(conn.ConnectionState(), start)
	if c.mail != nil {
		return conn, c.mail.secured(conn, s.cfg.HandshakeTimeout)
	}
	return conn, nil
}

// alpn is what to offer upstream. HTTP/2 forbids what the lifted clients
// speak (RFC 9113 section 9.2), so "h2" stays out for them.
func (c *client) alpn() []string {
	if c.hello == nil {
		return nil
	}
	if lacking(c.hello) == "" {
		return c.hello.ALPN
	}
	return slices.DeleteFunc(slices.Clone(c.hello.ALPN), func(p string) bool { return p == "h2" })
}

// endClientTLS does the handshake with the client, with a leaf that has also
// the names of mirror.
func (s *Server) endClientTLS(ctx context.Context, c *client, mirror []string, protocol string) error {
	leaf, err := s.cfg.CA.Leaf(c.destination.Host, mirror, localca.Profile(c.options.Leaf))
	if err != nil {
		return failed(ReasonInternal, fmt.Errorf("making leaf: %w", err))
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.HandshakeTimeout)
	defer cancel()
	start := time.Now()
	c.startedTLS = true
	conn := tls.Server(c, s.serverConfig(c, leaf, protocol))
	if err := conn.HandshakeContext(ctx); err != nil {
		return clientFailure(err)
	}
	c.rec.ClientTLS = handshakeOf(conn.ConnectionState(), start)
	c.inside = conn
	return nil
}

// serverConfig is the one place that configures TLS towards clients.
func (s *Server) serverConfig(c *client, leaf *tls.Certificate, protocol string) *tls.Config {
	cfg := &tls.Config{ //nolint:gosec // TLS 1.0 is what this program exists for
		Certificates: []tls.Certificate{*leaf},
		CipherSuites: servedSuites(c.hello, s.rc4(c)),
		MinVersion:   tls.VersionTLS10,
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

func handshakeOf(cs tls.ConnectionState, start time.Time) *Handshake {
	return &Handshake{
		Version:     clienthello.VersionName(cs.Version),
		CipherSuite: tls.CipherSuiteName(cs.CipherSuite),
		Resumed:     cs.DidResume,
		Duration:    time.Since(start),
	}
}
