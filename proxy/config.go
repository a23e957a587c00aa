package proxy

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/mail"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/signin"
	"github.com/tlslift/tlslift/proxy/sockets"
	"github.com/tlslift/tlslift/proxy/ticketkeys"
	"github.com/tlslift/tlslift/proxy/turns"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A Config is everything a Server needs. Every field without a documented
// zero value is required.
type Config struct {
	Listeners []listener.URL
	// Open opens the socket of a listener; nil means sockets.Open.
	Open sockets.Opener
	// ClientNets are the networks that may connect; none means that nobody
	// may.
	ClientNets []netip.Prefix
	// TrustedProxies are the networks whose connections begin with a PROXY
	// header; none by default.
	TrustedProxies []netip.Prefix
	// Policy is what clients may reach at first; Server.SetPolicy replaces it.
	Policy *m365.Policy
	// Upstream is how destinations are reached; its IsSelf is set by New.
	Upstream upstream.Config
	CA       *localca.CA
	// TicketKeys are the keys of session tickets, which the caller runs; nil means
	// one random key that ends with the Server.
	TicketKeys *ticketkeys.Keys
	// Legacy are legacy suites that clients are offered too; none by default.
	Legacy legacytls.LegacySuites
	// DHBits is the length of the group for DHE, 1024 or 2048; zero means
	// 1024.
	DHBits int
	// LeafKeyType is which clients get a leaf with an ECDSA key; KeyTypeUnset means auto.
	LeafKeyType clientfile.KeyType
	// Rotation is which CA clients get during one; CAUnset means the old one.
	Rotation clientfile.CA
	// Clients has what is different for single clients; nil means nothing.
	// Server.SetClients replaces it.
	Clients *clientfile.Table

	// Turns are those of handshakes; nil means that each computes when it likes.
	Turns *turns.Queue

	MaxConnections          int
	MaxConnectionsPerClient int
	// ClientIPv6Prefix is how many bits of an IPv6 address count as one client in
	// these limits; zero means 64.
	ClientIPv6Prefix int
	// HandshakeTimeout bounds each stage before bytes are relayed.
	HandshakeTimeout time.Duration
	// IdleTimeout ends a connection in which nothing arrives in either direction; of
	// IMAP, IMAPIdleTimeout does if it is longer.
	IdleTimeout, IMAPIdleTimeout time.Duration
	// DrainTimeout is how long open connections may go on after a stop.
	DrainTimeout time.Duration

	// SignIn says for whom tlslift signs in at Microsoft 365; nil means nobody.
	SignIn *signin.Keeper
	// Tokens gives the tokens for that.
	Tokens mail.Tokens

	// Observer is called for every connection; nil means none.
	Observer Observer
	// AcceptFailed is called when connections begin to be accepted no more, as when there
	// are too many open files; nil means nothing.
	AcceptFailed func(error)
	// Log gets one line for each connection; nil discards them.
	Log *slog.Logger
}

// validate checks what New relies on.
func (c *Config) validate() error {
	switch {
	case len(c.Listeners) == 0:
		return errors.New("no listener is configured")
	case c.Policy == nil || c.CA == nil:
		return errors.New("policy and CA are required")
	case c.MaxConnections <= 0 || c.MaxConnectionsPerClient <= 0:
		return errors.New("connection limits must be positive")
	case c.HandshakeTimeout <= 0 || c.IdleTimeout <= 0 || c.DrainTimeout < 0:
		return errors.New("timeouts must be positive")
	}
	for _, l := range c.Listeners {
		if err := l.Check(c.Policy.Policy); err != nil {
			return fmt.Errorf("listener %s: %w", l, err)
		}
	}
	return c.Clients.Check(c.Policy.Policy)
}

// An Observer is called for every connection, by many goroutines concurrently. It
// must not block and must not keep the record.
type Observer interface {
	// Opened is called when a listener has accepted a connection.
	Opened(listener string)
	// Closed is called once for each Opened, when the connection has ended.
	Closed(r *record.Record)
}
