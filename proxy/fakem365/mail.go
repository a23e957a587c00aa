package fakem365

import (
	"crypto/subtle"
	"strings"
)

// MailOptions says what a server that takes mail is like. The zero value is one
// that begins in plaintext, has TLS by STARTTLS, and has no account.
type MailOptions struct {
	// TLS is what the server wants of TLS. Unless MX is set, a zero MinVersion
	// lets TLS 1.0 and 1.1 through the handshake, to be refused by a reply; a
	// client of TLS 1.2 needs Microsoft's cipher suites as with every server.
	TLS TLSOptions
	// Implicit begins TLS with the connection, as port 465 has it; false means
	// that the client asks for it.
	Implicit bool
	// Accounts may log in; none means that nobody may.
	Accounts Accounts
	// MX makes the server behave like port 25 of a tenant, where anyone delivers
	// and nobody logs in; false means submission, as port 587 has it.
	MX bool
	// MaxMessage is how many bytes a message may have; zero means 157286400.
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

// Accounts are those that a server has.
type Accounts []Account

// Open returns the account that address and password open, or nil.
func (a Accounts) Open(address, password string) *Account {
	for i, account := range a {
		if strings.EqualFold(account.Address, address) &&
			subtle.ConstantTimeCompare([]byte(account.Password), []byte(password)) == 1 {
			return &a[i]
		}
	}
	return nil
}
