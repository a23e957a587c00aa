package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/record"
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
	c.rec.Outcome = record.OutcomeLifted
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
	clientTLS
	raw net.Conn
}

// Read takes the end of the stream for the end of what the client has to say:
// many old clients close without close_notify.
func (l lifted) Read(p []byte) (int, error) {
	n, err := l.clientTLS.Read(p)
	if errors.Is(err, legacytls.ErrNoCloseNotify) {
		err = io.EOF
	}
	return n, err
}

func (l lifted) CloseWrite() error {
	if err := l.clientTLS.CloseWrite(); err != nil {
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
