// Package mailbox is the part of the fake Microsoft 365 that only tests need:
// the servers of mailboxes, IMAP and POP3. The program does not import it.
package mailbox

import (
	"bytes"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

// service is what Microsoft's greetings end with: its server's name in UTF-16
// and base64. The name here is FAKE.
const service = "[RgBBAEsARQA=]"

// Options says what a server of mailboxes is like. The zero value is one that
// begins in plaintext, has TLS by STARTTLS or STLS, and has no account.
type Options struct {
	// TLS is what the server wants of TLS.
	TLS fakem365.TLSOptions
	// Implicit begins TLS with the connection, as ports 993 and 995 have it;
	// false means that the client asks for it.
	Implicit bool
	// Accounts may log in; none means that nobody may.
	Accounts fakem365.Accounts
	// Tokens makes XOAUTH2 the one way to log in, as Microsoft has it; nil takes
	// passwords, and no token.
	Tokens fakem365.Tokens
	// Challenge answers a wrong token as Google does, with JSON first; false refuses
	// it at once.
	Challenge bool
	// Inbox are the messages that every account has at first; none means that
	// it is empty.
	Inbox [][]byte
}

// openByToken returns the account that a token opens, or nil.
func (o *Options) openByToken(p fakem365.Permission, address, token string) *fakem365.Account {
	if o.Tokens == nil {
		return nil
	}
	return o.Accounts.OpenByToken(o.Tokens, p, address, token)
}

// A Server is one that messages are fetched from.
type Server struct {
	*fakem365.Server

	deliver func(message []byte) error
}

// Deliver puts a message into the inbox of every account. A client that waits
// for one, by IDLE, is notified.
func (s *Server) Deliver(message []byte) error { return s.deliver(wireLines(message)) }

// wireLines returns a message whose lines all end with CRLF.
func wireLines(message []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(message, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}
