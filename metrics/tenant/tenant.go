// Package tenant has what an administrator is shown of the sign-in at a tenant of
// Microsoft 365: by metrics and by the status page. It has nothing that is secret.
package tenant

import (
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// A State is how the sign-in is now. The zero value means that none is configured.
type State struct {
	// Tenant is its domain or GUID.
	Tenant     string
	Credential Credential
	// Mailboxes are those of the sign-in file, in its order.
	Mailboxes []Mailbox
	// Tokens are those that were asked for, in no order.
	Tokens []Token
}

// A Credential is what the application signs in with.
type Credential struct {
	// Kind is secret, certificate, federated_token or managed_identity; empty if the
	// application has none.
	Kind string
	// Expires is when it expires; zero if that is not known.
	Expires time.Time
}

// A Mailbox is how busy a mailbox is.
type Mailbox struct {
	Address               string
	Sessions, MaxSessions int           // open, and how many may be
	Waiting               int           // clients that wait for a session
	WaitingMails          int           // sessions that wait to send a mail
	Oldest                time.Duration // how long the first of both has waited
}

// A Token is what is known of one token, and not the token.
type Token struct {
	// Account is who has signed in for a delegated mailbox; empty for the application.
	Account  string
	Protocol record.Protocol // of a delegated one
	HVE      bool            // for High Volume Email
	Expires  time.Time       // zero when there is none
	// Reason is why the last request gave none; empty when it did.
	Reason record.Reason
	Detail string    // of Reason
	Failed time.Time // when that was
}

// Kind returns whose token it is, and whether it is for High Volume Email: application,
// application_hve, delegated or delegated_hve.
func (t Token) Kind() string {
	kind := "application"
	if t.Account != "" {
		kind = "delegated"
	}
	if t.HVE {
		kind += "_hve"
	}
	return kind
}
