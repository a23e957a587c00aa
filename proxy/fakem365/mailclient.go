package fakem365

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

const (
	submission     = "smtp.office365.com:587"
	maxMailAnswers = 1 << 20 // bytes of all replies together
)

// Mail is one message, and the way in which SendMail sends it.
type Mail struct {
	// Server is the host:port of the SMTP server, whose host is asked for and
	// verified; empty means smtp.office365.com:587.
	Server string
	// Security is where TLS begins; zero means StartTLS.
	Security MailSecurity
	// Name is what the client calls itself; empty means scanner.
	Name string
	// HELO makes the client greet as it was done before EHLO, and so see no
	// extensions: it asks for TLS and logs in without being offered either.
	HELO bool
	// User logs in, by AUTH LOGIN; empty means that nobody does.
	User     string
	Password string
	From     string // of the envelope; empty is the empty reverse path
	To       []string
	// Data is the message with its header; lines end with LF or CRLF.
	Data []byte
}

// MailSecurity is where the TLS of a mail connection begins.
type MailSecurity int

const (
	// StartTLS asks for TLS once the server has greeted, and goes no further
	// without.
	StartTLS MailSecurity = iota
	// ImplicitTLS begins with TLS.
	ImplicitTLS
	// NoTLS stays in plaintext, password and all.
	NoTLS
)

// Sent is what a client saw while it sent a message; all of it is zero as far as
// it did not come to that.
type Sent struct {
	Greeting   string
	Extensions []string            // of the last reply to EHLO, such as "SIZE 157286400"
	TLS        tls.ConnectionState // zero in plaintext
	Reply      string              // to the message, such as "2.0.0 OK: queued"
}

// A ReplyError is an SMTP server's refusal.
type ReplyError struct {
	Command string // that it refused, such as "MAIL"; empty for the connection itself
	Code    int    // such as 535
	Text    string // all the rest, such as "5.7.3 Authentication unsuccessful"
}

func (e *ReplyError) Error() string {
	if e.Command == "" {
		return fmt.Sprintf("the mail server greets with %d %s", e.Code, e.Text)
	}
	return fmt.Sprintf("the mail server answers %s with %d %s", e.Command, e.Code, e.Text)
}

// SendMail sends a message over a connection of its own, by the client's way
// there and its TLS. A refusal by the server is a *ReplyError; Alert
// returns the text of one by an alert. Sent is filled in as far as it came.
func (c *Client) SendMail(ctx context.Context, m Mail) (Sent, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	if m.Server == "" {
		m.Server = submission
	}
	if m.Name == "" {
		m.Name = "scanner"
	}
	s := &sending{client: c, mail: m}
	if err := s.connect(ctx); err != nil {
		return s.sent, err
	}
	defer func() { _ = s.conn.Close() }() // which conn may be TLS by then
	stop := context.AfterFunc(ctx, func() { _ = s.raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	return s.sent, s.run(ctx)
}

// sending is a SendMail under way.
type sending struct {
	client *Client
	mail   Mail
	host   string

	raw  net.Conn // below TLS
	conn net.Conn
	text *textproto.Conn
	sent Sent
}

func (s *sending) connect(ctx context.Context) (err error) {
	if s.host, _, err = net.SplitHostPort(s.mail.Server); err != nil {
		return fmt.Errorf("reading the mail server's name: %w", err)
	}
	if s.raw, err = s.client.reach(ctx, s.mail.Server); err != nil {
		return err
	}
	s.use(s.raw)
	return nil
}

func (s *sending) use(conn net.Conn) {
	s.conn = conn
	s.text = textproto.NewConn(struct {
		io.Reader
		io.WriteCloser
	}{io.LimitReader(conn, maxMailAnswers), conn})
}

func (s *sending) run(ctx context.Context) error {
	if s.mail.Security == ImplicitTLS {
		if err := s.handshake(ctx); err != nil {
			return err
		}
	}
	if err := s.greet(); err != nil {
		return err
	}
	if s.mail.Security == StartTLS {
		if err := s.startTLS(ctx); err != nil {
			return err
		}
	}
	if s.mail.User != "" {
		if err := s.logIn(); err != nil {
			return err
		}
	}
	if err := s.message(); err != nil {
		return err
	}
	// The message is taken whatever becomes of this.
	_, _ = s.ask("QUIT", 221, "QUIT")
	return nil
}

func (s *sending) greet() (err error) {
	if s.sent.Greeting, err = s.answer("", 220); err != nil {
		return err
	}
	return s.hello()
}

func (s *sending) hello() error {
	if s.mail.HELO {
		_, err := s.ask("HELO", 250, "HELO %s", s.mail.Name)
		return err
	}
	answer, err := s.ask("EHLO", 250, "EHLO %s", s.mail.Name)
	if err != nil {
		return err
	}
	s.sent.Extensions = strings.Split(answer, "\n")[1:]
	return nil
}

// offered reports whether the server has an extension with that parameter, as far
// as the client can know.
func (s *sending) offered(extension, parameter string) bool {
	for _, line := range s.sent.Extensions {
		words := strings.Fields(strings.ToUpper(line))
		if len(words) > 0 && words[0] == extension && (parameter == "" || slices.Contains(words[1:], parameter)) {
			return true
		}
	}
	return s.mail.HELO
}

func (s *sending) startTLS(ctx context.Context) error {
	if !s.offered("STARTTLS", "") {
		return errors.New("the mail server offers no STARTTLS")
	}
	if _, err := s.ask("STARTTLS", 220, "STARTTLS"); err != nil {
		return err
	}
	// What came early is not TLS, and may be an attacker's.
	if s.text.R.Buffered() > 0 {
		return errors.New("the mail server sent bytes of its own after its answer to STARTTLS")
	}
	if err := s.handshake(ctx); err != nil {
		return err
	}
	return s.hello()
}

func (s *sending) handshake(ctx context.Context) error {
	config := s.client.tlsConfig(s.host)
	config.NextProtos = nil // as mail has none
	secure := tls.Client(s.raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("shaking hands with %s: %w", s.host, err)
	}
	s.sent.TLS = secure.ConnectionState()
	s.use(secure)
	return nil
}

func (s *sending) logIn() error {
	if !s.offered("AUTH", "LOGIN") {
		return errors.New("the mail server offers no AUTH LOGIN")
	}
	if _, err := s.ask("AUTH", 334, "AUTH LOGIN"); err != nil {
		return err
	}
	if _, err := s.ask("AUTH", 334, "%s", base64.StdEncoding.EncodeToString([]byte(s.mail.User))); err != nil {
		return err
	}
	_, err := s.ask("AUTH", 235, "%s", base64.StdEncoding.EncodeToString([]byte(s.mail.Password)))
	return err
}

func (s *sending) message() (err error) {
	if _, err := s.ask("MAIL", 250, "MAIL FROM:<%s>", s.mail.From); err != nil {
		return err
	}
	for _, to := range s.mail.To {
		if _, err := s.ask("RCPT", 250, "RCPT TO:<%s>", to); err != nil {
			return err
		}
	}
	if _, err := s.ask("DATA", 354, "DATA"); err != nil {
		return err
	}
	dots := s.text.DotWriter()
	if _, err := dots.Write(s.mail.Data); err != nil {
		return fmt.Errorf("sending the message: %w", err)
	}
	if err := dots.Close(); err != nil {
		return fmt.Errorf("sending the message: %w", err)
	}
	s.sent.Reply, err = s.answer("DATA", 250)
	return err
}

// ask sends a line and wants a reply of that code for it. command names it in
// errors.
func (s *sending) ask(command string, code int, format string, args ...any) (string, error) {
	if err := s.text.PrintfLine(format, args...); err != nil {
		return "", fmt.Errorf("sending %s: %w", command, err)
	}
	return s.answer(command, code)
}

func (s *sending) answer(command string, code int) (string, error) {
	_, text, err := s.text.ReadResponse(code)
	if refusal := (*textproto.Error)(nil); errors.As(err, &refusal) {
		return "", &ReplyError{Command: command, Code: refusal.Code, Text: refusal.Msg}
	}
	if err != nil && command == "" {
		return "", fmt.Errorf("reading the mail server's greeting: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("reading the answer to %s: %w", command, err)
	}
	return text, nil
}
