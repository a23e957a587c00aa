package mailbox

import (
	"bytes"
	"io"
	"log"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

// ServeIMAP starts a server of mailboxes as outlook.office365.com:993 is with
// o.Implicit, and :143 without. TLS 1.0 and 1.1 are refused by an alert unless
// o.TLS allows them.
//
// With o.Tokens the accounts are opened by AUTHENTICATE XOAUTH2 only, as Microsoft
// has it, and otherwise by LOGIN and AUTHENTICATE PLAIN only; both are offered. Each
// account has an inbox, in which nothing is stored by APPEND. The greeting and
// the refusals of a login are Microsoft's. The capabilities are as near to them
// as go-imap lets one come: IMAP4 and ID are not among them, LITERAL- stands
// for LITERAL+ before the login, those that only matter after it are listed
// then, and LOGINDISABLED is listed before STARTTLS. All other texts are
// go-imap's.
func ServeIMAP(fake *fakem365.Service, o Options) (*Server, error) {
	m := &imapMailboxes{options: o, users: map[string]*imapmemserver.User{}}
	for _, account := range o.Accounts {
		if err := m.add(account); err != nil {
			return nil, err
		}
	}
	server, err := fake.ServeMail(o.TLS, o.Implicit, m.talk)
	if err != nil {
		return nil, err
	}
	return &Server{Server: server, deliver: m.deliver}, nil
}

type imapMailboxes struct {
	options Options
	users   map[string]*imapmemserver.User // by address in lower case
}

func (m *imapMailboxes) add(account fakem365.Account) error {
	user := imapmemserver.NewUser(account.Address, account.Password)
	m.users[strings.ToLower(account.Address)] = user
	if err := user.Create("INBOX", nil); err != nil {
		return err
	}
	for _, message := range m.options.Inbox {
		if err := appendTo(user, wireLines(message)); err != nil {
			return err
		}
	}
	return nil
}

func (m *imapMailboxes) deliver(message []byte) error {
	for _, user := range m.users {
		if err := appendTo(user, message); err != nil {
			return err
		}
	}
	return nil
}

func appendTo(user *imapmemserver.User, message []byte) error {
	_, err := user.Append("INBOX", bytes.NewReader(message), &imap.AppendOptions{})
	return err
}

func (m *imapMailboxes) talk(conn *fakem365.MailConn) {
	conn.Greeting = "* OK The Microsoft Exchange IMAP4 service is ready. " + service
	startTLS := conn.StartTLS()
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &imapSession{mailboxes: m}, nil, nil
		},
		Caps: imap.CapSet{
			imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapMove: {}, imap.CapChildren: {},
			imap.CapNamespace: {}, imap.CapLiteralPlus: {},
		},
		TLSConfig:    startTLS,
		InsecureAuth: startTLS == nil, // conn is inside TLS, which go-imap cannot see
		Logger:       log.New(io.Discard, "", 0),
	})
	_ = server.Serve(conn.Listener()) // it ends with the connection
}

// An imapSession has the commands of go-imap's user, which it has from the login
// on; before, go-imap calls none of them.
type imapSession struct {
	*imapmemserver.UserSession

	mailboxes *imapMailboxes
}

func (s *imapSession) Login(address, password string) error {
	return s.open(address, password, "LOGIN failed.")
}

func (s *imapSession) AuthenticateMechanisms() []string { return []string{"PLAIN", "XOAUTH2"} }

func (s *imapSession) Authenticate(mechanism string) (fakem365.SASL, error) {
	const failed = "AUTHENTICATE failed."
	switch mechanism {
	case "PLAIN":
		return plainLogin{func(address, password string) error { return s.open(address, password, failed) }}, nil
	case "XOAUTH2":
		return &fakem365.TokenLogin{Open: s.openByToken, Challenge: s.mailboxes.options.Challenge}, nil
	}
	return nil, imapNo(failed)
}

func (s *imapSession) open(address, password, failed string) error {
	account := s.mailboxes.options.Accounts.Open(address, password)
	if account == nil || s.mailboxes.options.Tokens != nil {
		return imapNo(failed)
	}
	return s.enter(account)
}

// openByToken opens a mailbox by a token.
func (s *imapSession) openByToken(address, token string) error {
	needed := fakem365.Permission{Role: "IMAP.AccessAsApp", Scope: "IMAP.AccessAsUser.All"}
	account := s.mailboxes.options.openByToken(needed, address, token)
	if account == nil {
		return imapNo("AUTHENTICATE failed.")
	}
	return s.enter(account)
}

func (s *imapSession) enter(account *fakem365.Account) error {
	s.UserSession = imapmemserver.NewUserSession(s.mailboxes.users[strings.ToLower(account.Address)])
	return nil
}

// Append stores nothing: what clients send has no bound.
func (s *imapSession) Append(string, imap.LiteralReader, *imap.AppendOptions) (*imap.AppendData, error) {
	return nil, imapNo("APPEND failed.")
}

func imapNo(text string) error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Text: text}
}

var (
	_ imapserver.SessionIMAP4rev2 = (*imapSession)(nil)
	_ imapserver.SessionSASL      = (*imapSession)(nil)
)
