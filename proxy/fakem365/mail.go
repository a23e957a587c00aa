package fakem365

import (
	"crypto/subtle"
	"slices"
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
	// Tokens makes XOAUTH2 the one way to log in, as it is where basic authentication
	// is disabled: a right password is refused. Nil takes passwords, and no token.
	Tokens Tokens
	// HVE makes the server that of High Volume Email, which takes passwords beside
	// Tokens, wants other permissions in them and does not know SMTPDisabled; false
	// means ordinary submission.
	HVE bool
	// Challenge answers a wrong token as Google does, with JSON first; false refuses
	// it at once.
	Challenge bool
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
	// TakesPassword makes it take its password at SMTP although the server has Tokens, as
	// an authentication policy of its own does; false means that Tokens decides.
	TakesPassword bool
	// Delegates may open it with a token: ids of applications that are registered in
	// Exchange and have the permission, and names of users. None means that only
	// its own user may.
	Delegates []string
	// SendAs are addresses that it may send as, beside its own.
	SendAs []string
}

// maySendAs reports whether an address is one that the account may send as.
func (a *Account) maySendAs(address string) bool {
	isIt := func(other string) bool { return strings.EqualFold(other, address) }
	return isIt(a.Address) || slices.ContainsFunc(a.SendAs, isIt)
}

// Accounts are those that a server has.
type Accounts []Account

// Open returns the account that address and password open, or nil.
func (a Accounts) Open(address, password string) *Account {
	account := a.find(address)
	if account != nil && subtle.ConstantTimeCompare([]byte(account.Password), []byte(password)) == 1 {
		return account
	}
	return nil
}

// audiences are the names of Exchange Online in tokens.
var audiences = []string{"https://outlook.office365.com", "https://outlook.office.com"}

// A Permission is what a token has to allow: as a role of an application, or as a
// scope of a user.
type Permission struct{ Role, Scope string }

// OpenByToken returns the account with that address if a token opens it, or nil.
func (a Accounts) OpenByToken(tokens Tokens, p Permission, address, token string) *Account {
	claims, err := tokens.Verify(token)
	if err != nil || !slices.Contains(audiences, claims.Audience) {
		return nil
	}
	who, needed := claims.User, p.Scope
	if who == "" {
		who, needed = claims.Application, p.Role
	}
	account := a.find(address)
	if account == nil || who == "" || !slices.Contains(claims.Permissions, needed) {
		return nil
	}
	isWho := func(other string) bool { return strings.EqualFold(other, who) }
	if !isWho(account.Address) && !slices.ContainsFunc(account.Delegates, isWho) {
		return nil
	}
	return account
}

// find returns the account with an address, or nil.
func (a Accounts) find(address string) *Account {
	for i := range a {
		if strings.EqualFold(a[i].Address, address) {
			return &a[i]
		}
	}
	return nil
}
