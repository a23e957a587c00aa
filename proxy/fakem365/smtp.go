package fakem365

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	maxMessages   = 100       // of a server; the oldest are forgotten
	maxStored     = 256 << 20 // bytes of them, beyond the newest
	maxRecipients = 500
	maxSessions   = 3 // of a mailbox, by Microsoft's rule
	// maxMailLine is what RFC 4954, section 4, asks for: a line of AUTH is the
	// longest there is.
	maxMailLine = 12288
	// maxMessage is the SIZE of Microsoft 365.
	maxMessage = 157286400
)

// MailServer is one that takes messages.
type MailServer struct {
	*Server

	options MailOptions

	mu       sync.Mutex
	messages []Message
	stored   int            // bytes
	sessions map[string]int // by mailbox
}

// A Message is one that a MailServer took.
type Message struct {
	Login string // the mailbox that the client logged in to; empty at an MX
	From  string // of the envelope
	To    []string
	Data  []byte              // as it was sent, without the dots that SMTP adds
	Helo  string              // the name that the client gave itself
	TLS   tls.ConnectionState // zero when it came in plaintext
}

// ServeSMTP starts a server that takes messages as smtp.office365.com:587 does,
// or with o.MX as a tenant's port 25.
//
// Its negative replies and its greeting are Microsoft's. What go-smtp does not
// let one say is not: the order of the extensions and the first line of the
// reply to EHLO, the text of positive replies, and the replies to commands
// that are malformed or out of order. AUTH XOAUTH2 is always offered,
// and refuses every token unless o.Tokens is set.
func (f *Service) ServeSMTP(o MailOptions) (*MailServer, error) {
	o.TLS.oldToo = !o.MX && o.TLS.MinVersion == 0 && (o.TLS.MaxVersion == 0 || o.TLS.MaxVersion >= tls.VersionTLS12)
	if o.MaxMessage == 0 {
		o.MaxMessage = maxMessage
	}
	m := &MailServer{options: o, sessions: map[string]int{}}
	server, err := f.ServeMail(o.TLS, o.Implicit, m.talk)
	if err != nil {
		return nil, err
	}
	m.Server = server
	return m, nil
}

// Messages are those taken so far, oldest first: the latest 100, or fewer when
// they are large.
func (m *MailServer) Messages() []Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Message(nil), m.messages...)
}

func (m *MailServer) host() string {
	if m.options.MX {
		return "FAKE.mail.protection.outlook.com"
	}
	return "FAKE.outlook.office365.com"
}

func (m *MailServer) talk(conn *MailConn) {
	conn.Greeting = fmt.Sprintf("220 %s Microsoft ESMTP MAIL Service ready at %s [08DE2A6028D26C22]",
		m.host(), time.Now().UTC().Format(time.RFC1123Z))
	conn.before, conn.failed = []byte("220 2.0.0 "), []byte("550 5.0.0 Handshake")
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return m.session(conn, c)
	}))
	server.TLSConfig = conn.StartTLS()
	server.AllowInsecureAuth = true // session offers it with TLS only
	server.MaxMessageBytes = m.options.MaxMessage
	server.MaxLineLength = maxMailLine
	server.ReadTimeout, server.WriteTimeout = CommandTimeout, CommandTimeout
	server.EnableSMTPUTF8, server.EnableBINARYMIME, server.EnableDSN = true, true, true
	server.ErrorLog = log.New(io.Discard, "", 0)
	_ = server.Serve(conn.Listener())         // it says net.ErrClosed, by oneConn
	_ = server.Shutdown(context.Background()) // waits; there is nothing to close
}

func (m *MailServer) session(conn *MailConn, c *smtp.Conn) (smtp.Session, error) {
	state := conn.state
	if late, ok := c.TLSConnectionState(); ok {
		state = late
	}
	if m.options.TLS.oldToo && state.Version != 0 && state.Version < tls.VersionTLS12 {
		conn.over = true
		return nil, reply(421, smtp.EnhancedCode{4, 7, 66}, "TLS 1.0 and 1.1 are not supported. "+
			"Please upgrade/update your client to support TLS 1.2. Visit https://aka.ms/smtp_auth_tls")
	}
	return &smtpSession{server: m, helo: c.Hostname(), tls: state}, nil
}

func (m *MailServer) store(message Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages = append(m.messages, message)
	m.stored += len(message.Data)
	for len(m.messages) > maxMessages || (m.stored > maxStored && len(m.messages) > 1) {
		m.stored -= len(m.messages[0].Data)
		m.messages = m.messages[1:]
	}
}

// addSession counts n more sessions of a mailbox, and says how many there are.
func (m *MailServer) addSession(login string, n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[login] += n
	if m.sessions[login] == 0 {
		delete(m.sessions, login)
		return 0
	}
	return m.sessions[login]
}
