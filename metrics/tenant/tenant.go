// Package tenant has what an administrator is shown of the sign-in at a tenant of
// Microsoft 365: by metrics and by the status page. It has nothing that is secret.
package tenant

import (
	"cmp"
	"slices"
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
	// Queue are the first that wait, in the order in which they will be served.
	Queue []Waiter
}

// A Waiter is a client that waits at a mailbox.
type Waiter struct {
	Client string // its name, or else its address
	IsMail bool   // it has a session, and waits to send a mail in it
	Since  time.Duration
}

// A Token is what is known of one token, and not the token.
type Token struct {
	// Account is who has signed in for a delegated mailbox; empty for the application.
	Account  string
	Protocol record.Protocol // of a delegated one, or of one that has no permission for it
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

// NextExpiry returns when the first token of each kind expires. One that has expired is one
// that nobody uses, since others are renewed: it does not count.
func (s State) NextExpiry(now time.Time) map[string]time.Time {
	first := map[string]time.Time{}
	for _, t := range s.Tokens {
		kind := t.Kind()
		if before, ok := first[kind]; t.Expires.After(now) && (!ok || t.Expires.Before(before)) {
			first[kind] = t.Expires
		}
	}
	return first
}

// A Problem is a reason why tokens fail.
type Problem struct {
	Reason record.Reason
	Detail string    // at the last failure
	Failed time.Time // when that was
	Whose  []string  // the accounts, or the kind of the application's token; sorted
}

// Problems returns why tokens fail now, the last failure first.
func (s State) Problems() []Problem {
	byReason := map[record.Reason]*Problem{}
	for _, t := range s.Tokens {
		if t.Reason == "" {
			continue
		}
		p := byReason[t.Reason]
		if p == nil {
			p = &Problem{Reason: t.Reason}
			byReason[t.Reason] = p
		}
		if !t.Failed.Before(p.Failed) {
			p.Detail, p.Failed = t.Detail, t.Failed
		}
		whose := cmp.Or(t.Account, t.Kind())
		if at, found := slices.BinarySearch(p.Whose, whose); !found {
			p.Whose = slices.Insert(p.Whose, at, whose)
		}
	}
	all := make([]Problem, 0, len(byReason))
	for _, p := range byReason {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b Problem) int {
		return cmp.Or(b.Failed.Compare(a.Failed), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}

// Busiest returns at most max mailboxes, those at which somebody waits first.
func (s State) Busiest(max int) []Mailbox {
	all := slices.Clone(s.Mailboxes)
	slices.SortStableFunc(all, func(a, b Mailbox) int {
		return cmp.Or(cmp.Compare(b.Oldest, a.Oldest), cmp.Compare(b.Waiting+b.WaitingMails, a.Waiting+a.WaitingMails),
			cmp.Compare(b.Sessions, a.Sessions))
	})
	return all[:min(max, len(all))]
}
