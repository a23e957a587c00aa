package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// Bounds of a session of mail.
const (
	mailTimeout = 2 * time.Minute
	maxMail     = 64 << 20
)

// A mailServer is an SMTP server that takes each mail, after STARTTLS only, and throws it
// away.
type mailServer struct {
	config   *tls.Config
	sessions sync.WaitGroup
}

func newMailServer(config *tls.Config) *mailServer { return &mailServer{config: config} }

func (s *mailServer) serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		s.sessions.Add(1)
		go s.session(conn)
	}
}

// wait returns when all sessions have ended; each has a deadline.
func (s *mailServer) wait() { s.sessions.Wait() }

// A mailSession is one client's.
type mailSession struct {
	conn    net.Conn
	text    *textproto.Conn
	version string // of TLS; empty before it
	sender  bool
}

func (s *mailServer) session(conn net.Conn) {
	defer s.sessions.Done()
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(mailTimeout)); err != nil {
		return
	}
	m := &mailSession{conn: conn, text: newText(conn)}
	if m.reply("220 backend ESMTP") != nil {
		return
	}
	for {
		line, err := m.text.ReadLine()
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		if verb == "STARTTLS" {
			err = m.startTLS(s.config)
		} else {
			err = m.command(verb)
		}
		if err != nil {
			return
		}
	}
}

// newText bounds what a session may send.
func newText(conn net.Conn) *textproto.Conn {
	return textproto.NewConn(struct {
		io.Reader
		io.WriteCloser
	}{io.LimitReader(conn, maxMail), conn})
}

func (m *mailSession) reply(line string) error { return m.text.PrintfLine("%s", line) }

func (m *mailSession) startTLS(config *tls.Config) error {
	if err := m.reply("220 go ahead"); err != nil {
		return err
	}
	secure := tls.Server(m.conn, config)
	// The session's deadline bounds it.
	if err := secure.HandshakeContext(context.Background()); err != nil {
		return err
	}
	m.version = tls.VersionName(secure.ConnectionState().Version)
	m.text = newText(secure)
	return nil
}

var errQuit = errors.New("the client has said QUIT")

func (m *mailSession) command(verb string) error {
	switch {
	case verb == "EHLO" && m.version == "":
		return m.reply("250-backend\r\n250-SIZE 67108864\r\n250 STARTTLS")
	case verb == "EHLO", verb == "HELO":
		return m.reply("250-backend\r\n250 SIZE 67108864")
	case verb == "QUIT":
		_ = m.reply("221 bye")
		return errQuit
	case verb == "NOOP", verb == "RSET":
		return m.reply("250 fine")
	case m.version == "":
		return m.reply("530 5.7.0 STARTTLS first")
	case verb == "MAIL":
		m.sender = true
		return m.reply("250 2.1.0 fine")
	case verb == "RCPT" && m.sender:
		return m.reply("250 2.1.5 fine")
	case verb == "DATA" && m.sender:
		return m.data()
	}
	return m.reply("503 5.5.1 not now")
}

// data takes a mail, and says in its reply how many bytes it has and which TLS it came
// with: the client checks both.
func (m *mailSession) data() error {
	if err := m.reply("354 go on"); err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, m.text.DotReader())
	if err != nil {
		return err
	}
	m.sender = false
	return m.reply(MailReply(n, m.version))
}

// MailReply returns the reply to a mail of n bytes, with LF as line ends, that came with
// that version of TLS.
func MailReply(n int64, version string) string {
	return fmt.Sprintf("250 2.0.0 %d bytes with %s", n, version)
}

// Mail returns a mail of about n bytes, in lines that end in LF.
func Mail(n int) string {
	const line = "This line is one of many in a scanned document that has no other content.\n"
	head := "From: <scanner@example.com>\nTo: <office@example.com>\nSubject: scan\n\n"
	var b strings.Builder
	for b.WriteString(head); b.Len() < n; {
		b.WriteString(line)
	}
	return b.String()
}
