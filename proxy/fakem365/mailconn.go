package fakem365

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// CommandTimeout is how long a mail client may think, and how long it may take
// to send one command, or one message.
const CommandTimeout = time.Minute

// A MailConn is what a mail library has for a connection: the plaintext one
// where TLS is asked for, or else the one inside TLS. It is there because the
// libraries do the TLS handshake by themselves.
type MailConn struct {
	net.Conn

	// Greeting is sent in place of the library's own; then it is empty.
	Greeting string

	server *Server
	end    time.Time // no deadline is later
	// By these the library's replies are known that come before a handshake,
	// and after one that went wrong; empty where it has no such reply.
	before, failed []byte

	begun   bool // the handshake has
	state   tls.ConnectionState
	counted bool // as a completed handshake
	over    bool // nothing more is to be read

	close  sync.Once
	closed chan struct{}
}

// ServeMail starts a server for a protocol whose library serves one connection
// at a time. With implicit, TLS begins with the connection. talk returns when
// the connection is closed.
func (f *Service) ServeMail(o TLSOptions, implicit bool, talk func(*MailConn)) (*Server, error) {
	server, err := f.Serve(o, func(s *Server, conn net.Conn) {
		mail := newMailConn(s, conn)
		if implicit {
			secure, err := s.Handshake(conn)
			if err != nil {
				return // the client has its alert, and Handshakes counts it
			}
			mail.Conn, mail.state, mail.counted = secure, secure.ConnectionState(), true
		}
		talk(mail)
		if mail.begun && !mail.counted {
			s.count(func(h *Handshakes) { h.Failed++ })
		}
	})
	if err != nil {
		return nil, err
	}
	// A session is resumed in another connection, which has another copy of
	// the configuration.
	var key [32]byte
	_, _ = rand.Read(key[:]) // it never fails
	server.config.SetSessionTicketKeys([][32]byte{key})
	return server, nil
}

func newMailConn(s *Server, conn net.Conn) *MailConn {
	return &MailConn{
		Conn:   conn,
		server: s,
		end:    time.Now().Add(ConnectionTimeout),
		closed: make(chan struct{}),
	}
}

// Listener returns a listener that accepts the connection, and then blocks until
// it is closed.
func (c *MailConn) Listener() net.Listener { return &oneConn{conn: c, closed: c.closed} }

// StartTLS returns the configuration by which a library begins TLS on c; nil
// where it has begun already.
func (c *MailConn) StartTLS() *tls.Config {
	if _, secure := c.Conn.(*tls.Conn); secure {
		return nil
	}
	shared := c.server.config
	own := shared.Clone()
	own.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c.begun = true
		if shared.GetConfigForClient == nil {
			return nil, nil
		}
		config, err := shared.GetConfigForClient(hello)
		if config != nil {
			config.VerifyConnection = own.VerifyConnection
		}
		return config, err
	}
	own.VerifyConnection = func(state tls.ConnectionState) error {
		c.state = state
		return nil
	}
	return own
}

// Write sends the greeting in place of the first line, and keeps back what the
// library says after a failed handshake: it would come in plaintext after the
// alert.
func (c *MailConn) Write(p []byte) (int, error) {
	if c.Greeting != "" {
		_, err := c.Conn.Write([]byte(c.Greeting + "\r\n"))
		c.Greeting = ""
		return len(p), err
	}
	if isReply(p, c.before) {
		c.begun = true
	}
	if c.begun && isReply(p, c.failed) {
		c.over = true
		Linger(c.Conn)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func isReply(p, reply []byte) bool { return len(reply) > 0 && bytes.HasPrefix(p, reply) }

// SetReadDeadline is what a library does before it reads a command, and so the
// first thing it does when a handshake has been completed.
func (c *MailConn) SetReadDeadline(t time.Time) error {
	if c.over {
		return net.ErrClosed
	}
	if c.state.Version != 0 && !c.counted {
		c.counted = true
		c.server.completed(c.state)
	}
	return c.Conn.SetReadDeadline(c.notAfterEnd(t))
}

// SetWriteDeadline leaves no write without one.
func (c *MailConn) SetWriteDeadline(t time.Time) error {
	return c.Conn.SetWriteDeadline(c.notAfterEnd(t))
}

func (c *MailConn) notAfterEnd(t time.Time) time.Time {
	if t.IsZero() || t.After(c.end) {
		return c.end
	}
	return t
}

func (c *MailConn) Close() error {
	err := c.Conn.Close()
	c.close.Do(func() { close(c.closed) })
	return err
}
