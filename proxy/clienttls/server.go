// Package clienttls ends the TLS of a client that is lifted, with the TLS stack
// that the decision names: crypto/tls for TLS 1.3, legacytls for all that is older. It chooses the leaf, keeps the
// keys of session tickets, and says why a handshake failed.
//
// It is the one place that configures TLS towards clients. It never reaches a
// destination.
package clienttls

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/standby"
	"github.com/tlslift/tlslift/proxy/turns"
)

// ticketKind begins what is in a ticket of crypto/tls; legacytls has another one.
const ticketKind = "crypto/tls"

// maxSessions bounds the sessions that are kept for clients without tickets.
const maxSessions = 10000

// A Server ends the TLS of clients. It is safe for concurrent use.
type Server struct {
	Config
	sessions     *legacytls.Sessions
	refusedECDSA *refusals
}

// A Config says how clients are served.
type Config struct {
	// CA signs the leaves; required.
	CA *localca.CA
	// Rotation is which CA clients get during one if their options say nothing; CAUnset means
	// the old one.
	Rotation clientfile.CA
	// Tickets has the keys with which session tickets are sealed; required.
	Tickets legacytls.TicketKeys
	// DHBits is the length of the group for DHE, 1024 or 2048; zero means 1024.
	DHBits int
	// KeyType is which clients get a leaf with an ECDSA key if their options say
	// nothing; KeyTypeUnset means KeyTypeAuto.
	KeyType clientfile.KeyType
	// Timeout bounds each handshake; required.
	Timeout time.Duration
}

// New returns a server that knows nothing of clients yet.
func New(c Config) *Server {
	return &Server{Config: c, sessions: legacytls.NewSessions(c.Tickets, maxSessions), refusedECDSA: newRefusals()}
}

// With returns a server with another configuration and the same keys of tickets, whose
// clients resume the sessions that they have with s.
func (s *Server) With(c Config) *Server {
	next := *s
	c.Tickets = s.Tickets
	next.Config = c
	return &next
}

// A Client is what a handshake depends on.
type Client struct {
	Hello *clienthello.Hello
	// Stack is the one that the decision names.
	Stack decide.Stack
	// Legacy are the legacy suites that the client may be offered.
	Legacy legacytls.LegacySuites
	// Address is the client's.
	Address netip.Addr
	// Options are those of the clients file.
	Options clientfile.Options
	// Host is the destination's host, and Destination host and port. Sessions
	// are resumed for the same destination only.
	Host, Destination string
	// Upstream is the verified TLS with the destination, whose certificate gives
	// the leaf its SANs and whose ALPN protocol the client gets; nil means the
	// host alone, and no ALPN.
	Upstream *tls.ConnectionState
	// Turn is the connection's; nil means that its handshake waits for no other.
	Turn *turns.Turn
}

// group returns what counts as one client.
func (c *Client) group() netip.Prefix { return netname.Group(c.Address, netname.DefaultGroupBits) }

// A stack is what the two TLS stacks have in common.
type stack interface {
	net.Conn
	HandshakeContext(ctx context.Context) error
	CloseWrite() error
}

// A Conn is the client's side of a lifted connection.
type Conn struct {
	stack
	raw       *relay.Raw
	handshake *record.Handshake
	alerted   func(record.Reason) // is told of an alert that the client sends; nil if nobody asks
}

// Leaf returns the certificate for a client. The error is a *record.Failure.
func (s *Server) Leaf(c Client) (*tls.Certificate, error) {
	var sans []string
	if c.Upstream != nil {
		sans = c.Upstream.PeerCertificates[0].DNSNames
	}
	profile := leafProfile(c.Hello, c.Options.Leaf)
	profile.ECDSA = s.getsECDSA(&c)
	leaf, err := s.authority(&c).Leaf(c.Host, sans, profile)
	if err != nil {
		return nil, record.Fail(record.ReasonInternal, fmt.Errorf("making leaf: %w", err))
	}
	return leaf, nil
}

// authority returns the CA that signs for a client.
func (s *Server) authority(c *Client) *localca.CA {
	return s.CA.For(cmp.Or(c.Options.Leaf.CA, s.Rotation) == clientfile.CANew)
}

// binding returns what a client's sessions belong to. One that gets another CA than before, as
// in a rotation or when that has ended, does not resume what began with the old one: whether
// it trusts the new one shows at once.
func (s *Server) binding(c *Client) string { return c.Destination + " " + s.authority(c).ID() }

// Handshake does the handshake with a client whose bytes conn has from the
// ClientHello on. The error is a *record.Failure.
func (s *Server) Handshake(ctx context.Context, conn *relay.Conn, c Client, leaf *tls.Certificate) (*Conn, error) {
	protocol := ""
	if c.Upstream != nil {
		protocol = c.Upstream.NegotiatedProtocol
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	if err := c.Turn.Begin(ctx); err != nil {
		return nil, err
	}
	defer c.Turn.End()
	start := time.Now()
	watched := &watchedConn{Conn: conn}
	raw := relay.NewRaw(watched)
	raw.Turn = c.Turn
	var ended stack
	if c.Stack == decide.LegacyStack {
		ended = legacytls.Server(raw, s.legacyConfig(&c, leaf, protocol))
	} else {
		ended = tls.Server(raw, s.cryptoConfig(&c, leaf, protocol))
	}
	err := ended.HandshakeContext(ctx)
	raw.Turn = nil
	if f := c.Turn.Failure(); f != nil {
		return nil, f
	}
	if err != nil {
		silent := watched.silentSince(leaf)
		f := failureOf(err, silent)
		if s.learn(&c, leaf, f.Reason, silent) {
			f.Err = fmt.Errorf("%w; the certificate had an ECDSA key, and the next one will have an RSA key if the client can use that", f.Err)
		}
		return nil, f
	}
	done := &Conn{stack: ended, raw: raw, handshake: describe(ended, start)}
	if !done.handshake.Resumed { // who resumes is shown no certificate
		done.handshake.CA = s.authority(&c).ID()
	}
	if c.Stack != decide.LegacyStack && isECDSA(leaf) { // a client with TLS 1.3 rejects a certificate later
		who := Client{Address: c.Address} // and not c: the connection may be open for days
		done.alerted = func(why record.Reason) { s.learn(&who, leaf, why, false) }
	}
	return done, nil
}

// legacyConfig is the one place that configures legacytls.
func (s *Server) legacyConfig(c *Client, leaf *tls.Certificate, protocol string) *legacytls.Config {
	return &legacytls.Config{
		Certificate:  leaf,
		MaxVersion:   decide.LegacyVersion(c.Hello),
		ServesTLS13:  true,
		Suites:       c.Legacy,
		DHBits:       cmp.Or(c.Options.DHBits, s.DHBits),
		SplitRecords: c.Options.SplitRecords,
		RecordSize:   c.Options.RecordSize,
		Protocol:     protocol,
		Sessions:     s.sessions,
		Binding:      s.binding(c),
		Client:       c.group(),
	}
}

// cryptoConfig is the one place that configures crypto/tls towards clients.
func (s *Server) cryptoConfig(c *Client, leaf *tls.Certificate, protocol string) *tls.Config {
	cfg := &tls.Config{
		Certificates: []tls.Certificate{*leaf},
		MinVersion:   tls.VersionTLS13, // everything older is for legacytls
	}
	if protocol != "" {
		cfg.NextProtos = []string{protocol}
	}
	s.bindTickets(cfg, s.binding(c))
	return cfg
}

// bindTickets makes session tickets good for one destination only: a client
// that resumes sees no certificate, so a ticket must not carry its trust from
// one destination to another.
func (s *Server) bindTickets(cfg *tls.Config, binding string) {
	cfg.WrapSession = func(_ tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		ss.Extra = append(ss.Extra, []byte(binding))
		state, err := ss.Bytes()
		if err != nil {
			return nil, fmt.Errorf("encoding a session: %w", err)
		}
		defer clear(state)
		plain := append([]byte(ticketKind), state...)
		defer clear(plain)
		return s.Tickets.Seal(plain)
	}
	cfg.UnwrapSession = func(identity []byte, _ tls.ConnectionState) (*tls.SessionState, error) {
		plain := s.Tickets.Open(identity) // the session that is parsed refers to it
		state, ours := bytes.CutPrefix(plain, []byte(ticketKind))
		if !ours {
			return nil, nil // a full handshake instead
		}
		ss, err := tls.ParseSessionState(state)
		if err != nil {
			return nil, nil //nolint:nilerr // what another version of Go has sealed; a full handshake instead
		}
		if !slices.ContainsFunc(ss.Extra, func(e []byte) bool { return bytes.Equal(e, []byte(binding)) }) {
			return nil, nil
		}
		return ss, nil
	}
}

// leafProfile returns the kind of certificate that a client gets. Clients say
// only since TLS 1.2 what they can check; those without AES are of a time when
// that was SHA-1.
func leafProfile(h *clienthello.Hello, leaf clientfile.Leaf) localca.Profile {
	p := localca.Profile{Bits: leaf.Bits, WithCA: leaf.WithCA, NotBefore: leaf.NotBefore}
	switch leaf.Hash {
	case clientfile.HashSHA1:
		p.SHA1 = true
	case clientfile.HashAuto:
		p.SHA1 = !slices.ContainsFunc(h.CipherSuites, func(s uint16) bool { return strings.Contains(decide.SuiteName(s), "AES") })
	}
	return p
}

// Handshake returns what was agreed on.
func (c *Conn) Handshake() *record.Handshake { return c.handshake }

// Read is relay.ErrNoCloseNotify when the client just closes, as many old ones do, and a
// *relay.AlertedError when it has been sent an alert.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.stack.Read(p)
	if reason := AlertReason(err); reason != "" && c.alerted != nil {
		c.alerted(reason)
	}
	switch {
	case errors.Is(err, legacytls.ErrNoCloseNotify):
		return n, relay.ErrNoCloseNotify
	case isAlerted(err):
		return n, &relay.AlertedError{Err: err}
	}
	return n, c.raw.End(err)
}

// Write is a *relay.AlertedError when the client has been sent an alert.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.stack.Write(p)
	if isAlerted(err) {
		return n, &relay.AlertedError{Err: err}
	}
	return n, err
}

// CloseNotify sends a close_notify and leaves the connection open.
func (c *Conn) CloseNotify() error { return c.stack.CloseWrite() }

// CloseWrite sends a close_notify and a FIN. Nothing can follow a close_notify,
// and old clients that read until the end of the stream wait for the FIN.
func (c *Conn) CloseWrite() error {
	if err := c.CloseNotify(); err != nil {
		return err
	}
	return c.Truncate()
}

// Shrink drops what the stack keeps in memory for the next bytes. Nobody reads meanwhile.
func (c *Conn) Shrink() {
	if stack, is := c.stack.(*tls.Conn); is {
		standby.Shrink(stack)
	}
}

// NetConn returns the connection below.
func (c *Conn) NetConn() net.Conn { return c.raw }

// Truncate sends a FIN and no close_notify.
func (c *Conn) Truncate() error { return relay.CloseWrite(c.raw.Conn) }

func describe(ended stack, start time.Time) *record.Handshake {
	legacy, is := ended.(*legacytls.Conn)
	if !is {
		return Describe(ended.(*tls.Conn).ConnectionState(), start)
	}
	state := legacy.ConnectionState()
	return &record.Handshake{
		Version:     clienthello.VersionName(state.Version),
		CipherSuite: legacytls.SuiteName(state.CipherSuite),
		Resumed:     state.DidResume,
		Duration:    time.Since(start),
	}
}

// Describe returns the record of a handshake of crypto/tls that has just ended.
func Describe(cs tls.ConnectionState, start time.Time) *record.Handshake {
	return &record.Handshake{
		Version:     clienthello.VersionName(cs.Version),
		CipherSuite: decide.SuiteName(cs.CipherSuite),
		Resumed:     cs.DidResume,
		Duration:    time.Since(start),
	}
}
