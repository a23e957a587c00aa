package fakem365

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/mail"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"
)

func reply(code int, enhanced smtp.EnhancedCode, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// An smtpSession is a connection from EHLO on. A BDAT chunk is given to Data
// while other commands may come.
type smtpSession struct {
	server *MailServer
	helo   string
	tls    tls.ConnectionState

	mu    sync.Mutex
	login string // in lower case; empty before AUTH
	from  string
	to    []string
}

func (s *smtpSession) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.to = "", nil
}

func (s *smtpSession) Logout() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.login != "" {
		s.server.addSession(s.login, -1)
		s.login = ""
	}
	return nil
}

func (s *smtpSession) AuthMechanisms() []string {
	if s.server.options.MX || s.tls.Version == 0 {
		return nil
	}
	return []string{"LOGIN", "XOAUTH2"}
}

func (s *smtpSession) Auth(mechanism string) (SASL, error) {
	switch {
	case s.AuthMechanisms() == nil:
	case mechanism == "LOGIN":
		return &passwordLogin{open: s.open}, nil
	case mechanism == "XOAUTH2":
		return &TokenLogin{Open: s.openByToken, Challenge: s.server.options.Challenge}, nil
	}
	return nil, reply(504, smtp.EnhancedCode{5, 7, 4}, "Unrecognized authentication type ["+s.server.host()+"]")
}

func (s *smtpSession) unsuccessful() error {
	return reply(535, smtp.EnhancedCode{5, 7, 3}, "Authentication unsuccessful ["+s.server.host()+"]")
}

func (s *smtpSession) open(address, password string) error {
	account := s.server.options.Accounts.Open(address, password)
	if account == nil {
		return s.unsuccessful()
	}
	if s.server.options.Tokens != nil && !s.server.options.HVE && !account.TakesPassword {
		return reply(535, smtp.EnhancedCode{5, 7, 139}, "Authentication unsuccessful, basic authentication is disabled. ["+s.server.host()+"]")
	}
	return s.enter(account)
}

// openByToken opens a mailbox by a token.
func (s *smtpSession) openByToken(address, token string) error {
	if s.server.options.Tokens == nil {
		return s.unsuccessful()
	}
	if s.server.options.HVE {
		return s.openByTokenHVE(address, token)
	}
	needed := Permission{Role: "SMTP.SendAsApp", Scope: "SMTP.Send"}
	account := s.server.options.Accounts.OpenByToken(s.server.options.Tokens, needed, address, token)
	if account == nil {
		return s.unsuccessful()
	}
	return s.enter(account)
}

// enter begins the session of an account that has proved itself.
func (s *smtpSession) enter(account *Account) error {
	if account.SMTPDisabled && !s.server.options.HVE {
		return reply(535, smtp.EnhancedCode{5, 7, 139}, "Authentication unsuccessful, SmtpClientAuthentication is "+
			"disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. ["+s.server.host()+"]")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.login = strings.ToLower(account.Address)
	s.server.addSession(s.login, 1)
	return nil
}

func (s *smtpSession) Mail(from string, _ *smtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.login == "" && !s.server.options.MX {
		return reply(530, smtp.EnhancedCode{5, 7, 57}, "Client not authenticated to send mail. ["+s.server.host()+"]")
	}
	s.from = from
	return nil
}

func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.to) >= maxRecipients {
		return reply(452, smtp.EnhancedCode{4, 5, 3}, "Too many recipients")
	}
	s.to = append(s.to, to)
	return nil
}

func (s *smtpSession) Data(r io.Reader) error {
	message := s.envelope()
	data, err := io.ReadAll(r) // go-smtp keeps MaxMessageBytes
	if err != nil {
		return err
	}
	message.Data = data
	if err := s.refusal(message); err != nil {
		return err
	}
	s.server.store(message)
	return nil
}

func (s *smtpSession) envelope() Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Message{Login: s.login, From: s.from, To: s.to, Helo: s.helo, TLS: s.tls}
}

// refusal is Microsoft's reply to a message that it does not take.
func (s *smtpSession) refusal(m Message) error {
	if s.server.options.MX {
		return nil
	}
	if s.server.addSession(m.Login, 0) > maxSessions {
		return reply(432, smtp.EnhancedCode{4, 3, 2}, "Concurrent connections limit exceeded. "+
			"Visit https://aka.ms/concurrent_sending for more information. [Hostname="+s.server.host()+"]")
	}
	account := s.server.options.Accounts.find(m.Login) // it has logged in
	if !account.maySendAs(m.From) {
		return reply(550, smtp.EnhancedCode{5, 7, 60}, "SMTP; Client does not have permissions to send as this sender")
	}
	if from := headerFrom(m.Data); from != "" && !account.maySendAs(from) {
		return reply(554, smtp.EnhancedCode{5, 2, 252}, "SendAsDenied; "+m.Login+" not allowed to send as "+from)
	}
	return nil
}

// headerFrom is the address in the From field of a message, or empty where no
// single one can be read.
func headerFrom(data []byte) string {
	message, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return ""
	}
	from, err := mail.ParseAddress(message.Header.Get("From"))
	if err != nil {
		return ""
	}
	return from.Address
}

var _ smtp.AuthSession = (*smtpSession)(nil)
