package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
)

// Handshake opens verified TLS 1.2 or newer to host on conn, which came from
// Dial for the same host and port. It offers the protocols of alpn; none when
// that is empty.
//
// The error is a *record.Failure, or ctx.Err() when ctx was cancelled. Closing conn
// after an error is the caller's task; it is closed already when ctx ended.
func (d *Dialer) Handshake(ctx context.Context, conn net.Conn, host string, port uint16, alpn []string) (*tls.Conn, error) {
	to, err := newEndpoint(host, port)
	if err != nil {
		return nil, notADestination(host, err)
	}
	secure := tls.Client(conn, d.configs.of(to, alpn, func() *tls.Config { return d.destinationConfig(to, alpn) }))
	if err := handshake(ctx, secure); err != nil {
		return nil, failure(ctx, to, err, handshakeReason)
	}
	return secure, nil
}

// destinationConfig is the configuration for a destination.
func (d *Dialer) destinationConfig(to endpoint, alpn []string) *tls.Config {
	config := d.tlsConfig(to.host, to.String())
	config.NextProtos = slices.Clone(alpn)
	if len(d.certificates) > 0 && d.shows(to.host, to.port) {
		config.Certificates = d.certificates
	}
	return config
}

func handshake(ctx context.Context, conn *tls.Conn) error {
	err := conn.HandshakeContext(ctx)
	if errors.Is(err, io.EOF) {
		return errors.New("TLS handshake: the peer closed the connection")
	}
	if err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	return nil
}

// tlsConfig is the one place that builds client TLS configuration.
// Renegotiation stays off: TLS 1.3 has none, Microsoft 365 no longer asks for
// it, and after it the peer could be another than the one verified.
func (d *Dialer) tlsConfig(serverName, sessionKey string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         serverName,
		RootCAs:            d.roots,
		ClientSessionCache: sessionsOf{d.sessions, sessionKey},
		Renegotiation:      tls.RenegotiateNever,
		// Small records at first are for who shows the beginning of what comes.
		DynamicRecordSizingDisabled: true,
	}
}

// sessionsOf is the part of the shared session cache that belongs to one
// destination. crypto/tls identifies sessions by server name only, but another
// port of the same host is another server, which would refuse the ticket and
// replace it with its own.
type sessionsOf struct {
	shared tls.ClientSessionCache
	key    string
}

func (s sessionsOf) Get(string) (*tls.ClientSessionState, bool) {
	return s.shared.Get(s.key)
}

func (s sessionsOf) Put(_ string, state *tls.ClientSessionState) {
	s.shared.Put(s.key, state)
}
