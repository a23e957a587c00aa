package standin

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	mailHost = "STANDIN.outlook.office365.com"
	// mailIdle is how long a mail client may think, and how long it may take to
	// send one command, or one message.
	mailIdle = time.Minute
	// maxMailLine is what RFC 4954, section 4, asks for: a line of AUTH is the
	// longest there is.
	maxMailLine = 12288
	// maxMessage is the SIZE of Microsoft 365.
	maxMessage = 157286400
)

// MailOptions says what a mail server is like. The zero value is one that
// begins in plaintext, has TLS by STARTTLS or STLS, and knows no account.
type MailOptions struct {
	// TLS is what the server wants of TLS. With ServeSMTP, unless MX is set, a
	// zero MinVersion lets TLS 1.0 and 1.1 through the handshake, to be refused
	// by a reply; a client of TLS 1.2 needs Microsoft's cipher suites as
	// anywhere else.
	TLS TLSOptions
	// Implicit begins TLS with the connection, as ports 465, 993 and 995 have
	// it; false means that the client asks for it.
	Implicit bool
	// Accounts may log in; none means that nobody may.
	Accounts []Account
	// Inbox are the messages that every account of ServeIMAP and ServePOP3 has
	// at first; none means that it is empty. ServeSMTP does not look at it.
	Inbox [][]byte
	// MX makes ServeSMTP behave like port 25 of a tenant, where anyone delivers
	// and nobody logs in; false means submission, as port 587 has it. The others
	// do not look at it.
	MX bool
	// MaxMessage is how many bytes a message sent to ServeSMTP may have; zero
	// means 157286400. The others do not look at it.
	MaxMessage int64
}

// An Account is a mailbox that may be logged in to.
type Account struct {
	Address  string // in upper or lower case
	Password string
	// SMTPDisabled refuses it at SMTP as Microsoft does where SmtpClientAuthentication
	// is off; false means that it may send.
	SMTPDisabled bool
}

// account is the one that address and password open, or nil.
func (o *MailOptions) account(address, password string) *Account {
	for i, known := range o.Accounts {
		if strings.EqualFold(known.Address, address) &&
			subtle.ConstantTimeCompare([]byte(known.Password), []byte(password)) == 1 {
			return &o.Accounts[i]
		}
	}
	return nil
}

// A mailConn is what a mail library has for a connection: the plaintext one
// where TLS is asked for, or else the one inside TLS. It is there because the
// libraries shake hands by themselves.
type mailConn struct {
	net.Conn

	server   *Server
	end      time.Time // no deadline is later
	greeting string    // goes out in place of the library's own; then empty
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

// serveMail starts a server for a protocol whose library serves one connection
// at a time. talk returns when that connection is closed.
func (c *Cloud) serveMail(o MailOptions, talk func(*mailConn)) (*Server, error) {
	server, err := c.serve(o.TLS, func(s *Server, conn net.Conn) {
		mail := newMailConn(s, conn)
		if o.Implicit {
			secure, err := s.handshake(conn)
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

func newMailConn(s *Server, conn net.Conn) *mailConn {
	return &mailConn{
		Conn:   conn,
		server: s,
		end:    time.Now().Add(connectionTimeout),
		closed: make(chan struct{}),
	}
}

// listener accepts the connection, and then blocks until it is closed.
func (c *mailConn) listener() *oneConn { return &oneConn{conn: c, closed: c.closed} }

// startTLS is the configuration by which a library begins TLS on c; nil where
// it has begun already.
func (c *mailConn) startTLS() *tls.Config {
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

// Write sends the greeting for the first line of all, and keeps back what the
// library says after a failed handshake: it would come in plaintext behind the
// alert.
func (c *mailConn) Write(p []byte) (int, error) {
	if c.greeting != "" {
		_, err := c.Conn.Write([]byte(c.greeting + "\r\n"))
		c.greeting = ""
		return len(p), err
	}
	if isReply(p, c.before) {
		c.begun = true
	}
	if c.begun && isReply(p, c.failed) {
		c.over = true
		linger(c.Conn)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func isReply(p, reply []byte) bool { return len(reply) > 0 && bytes.HasPrefix(p, reply) }

// SetReadDeadline is what a library does before it reads a command, and so the
// first thing it does when a handshake has been completed.
func (c *mailConn) SetReadDeadline(t time.Time) error {
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
func (c *mailConn) SetWriteDeadline(t time.Time) error {
	return c.Conn.SetWriteDeadline(c.notAfterEnd(t))
}

func (c *mailConn) notAfterEnd(t time.Time) time.Time {
	if t.IsZero() || t.After(c.end) {
		return c.end
	}
	return t
}

func (c *mailConn) Close() error {
	err := c.Conn.Close()
	c.close.Do(func() { close(c.closed) })
	return err
}

// A MailboxServer is one that messages are fetched from.
type MailboxServer struct {
	*Server

	deliver func(message []byte) error
}

// Deliver puts a message into the inbox of every account. A client that waits
// for one, by IDLE, is told.
func (m *MailboxServer) Deliver(message []byte) error { return m.deliver(wireLines(message)) }

// wireLines is a message whose lines all end with CRLF.
func wireLines(message []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(message, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}
