package proxy

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/proxy/admission"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/clienttls"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/httpproxy"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/mail"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A conn is one accepted connection and what the steps have found out about it.
type conn struct {
	*relay.Conn // the client's, with its one reader

	socket *socket
	rec    *record.Record
	place  *admission.Place // in the limits; nil until it has one

	options clientfile.Options     // of the clients file
	legacy  legacytls.LegacySuites // that the client may be offered

	// original is the original destination of a redirected client; invalid for
	// others. isFromHeader means that a PROXY header named it, and not the kernel.
	original     netip.AddrPort
	isFromHeader bool

	tunnel   *httpproxy.Tunnel // the CONNECT request; nil on other listeners
	out      *outbound         // the destination and the connection to it
	mail     *mail.Session     // nil unless it is SMTP, IMAP or POP3
	hello    *clienthello.Hello
	decision decide.Decision
	// hasForeignName says that the server name leads to no allowed host.
	hasForeignName bool

	idle, imapIdle time.Duration

	isRefused  bool            // the destination has refused the passed hello, and would refuse all of its kind
	isLifting  bool            // the client's TLS is to end here
	startedTLS bool            // our handshake with the client has begun
	inside     *clienttls.Conn // the client's TLS; nil until the handshake is complete
	isAlerted  bool            // the client was sent an alert while bytes were relayed

	relaying atomic.Pointer[relay.Relay] // what is left to do when handle has returned; nil until then
	judge    func(error) error           // says what its error means
}

// newConn begins the record of an accepted connection.
func (s *setup) newConn(from *socket, accepted net.Conn, now time.Time) *conn {
	remote := upstream.AddrPortOf(accepted.RemoteAddr())
	rec := &record.Record{
		Listener: from.name, Client: remote.Addr(), Start: now,
		Protocol: record.ProtocolUnknown, OfferedVersion: record.VersionNone,
	}
	c := &conn{
		Conn: relay.NewConn(accepted), socket: from, rec: rec, idle: s.cfg.IdleTimeout, imapIdle: s.cfg.IMAPIdleTimeout,
		out: &outbound{dialer: s.dialer, loops: s.loops, timeout: s.cfg.HandshakeTimeout, rec: rec, from: remote},
	}
	// A client without TLS may half-close once it has said all.
	c.out.turn = s.cfg.Turns.For(rec, func() bool { return c.hello != nil && relay.HasLeft(accepted) })
	return c
}

// scheme returns what the client speaks: what its listener says, or the port of its
// original destination.
func (c *conn) scheme() listener.Scheme {
	if c.original.IsValid() {
		return c.socket.url.SchemeOf(c.original.Port())
	}
	return c.socket.url.Scheme
}

// mailProtocol returns the mail protocol of the connection; empty for others.
func (c *conn) mailProtocol() record.Protocol {
	if c.tunnel != nil {
		return listener.STARTTLSPort(c.out.destination.Port)
	}
	return c.scheme().Mail()
}

// mailInside returns the mail protocol inside TLS; empty for others.
func mailInside(c *conn) record.Protocol {
	if c.mail != nil {
		return c.mail.Protocol
	}
	return listener.MailPort(c.out.destination.Port).Mail()
}

// dropUpstream gives up the connection to the destination for another one.
func (c *conn) dropUpstream() {
	c.out.drop()
	if c.mail != nil {
		c.mail.Drop()
	}
}

// close frees everything the connection holds.
func (c *conn) close() {
	c.Release()
	_ = c.Close()
	if c.mail != nil {
		c.mail.Close()
	}
	c.out.close()
}
