package statuspage

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/tenant"
	"github.com/tlslift/tlslift/metrics/wording"
)

const (
	// maxMailboxes bounds the list of mailboxes.
	maxMailboxes = 20
	// expirySoon is when a credential has to be replaced: as long before its end as the
	// alert says.
	expirySoon = 30 * day
)

// A signInView is the sign-in on the status page.
type signInView struct {
	Tenant     string // empty without a sign-in
	Credential string // what expires, for example "secret"
	Expires    wording.Moment
	Soon       bool
	Hint       string
	Tokens     []tokenRow
	Problems   []tokenProblem
	Mailboxes  []mailboxRow
	More       int // further mailboxes
}

// A tokenRow is the token of a kind that expires first.
type tokenRow struct {
	Whose   string
	Expires wording.Moment
}

// A tokenProblem is why tokens fail now.
type tokenProblem struct {
	reasonText
	Detail, Whose string
	At            wording.Moment
}

// A mailboxRow is how busy a mailbox is.
type mailboxRow struct {
	Address, Sessions, Waiting, Oldest string
	Queue                              []waiterRow
}

// A waiterRow is one that waits at a mailbox.
type waiterRow struct{ Name, Link, What, Since string }

func signInViewOf(s tenant.State, now time.Time) signInView {
	v := signInView{
		Tenant: wording.Shown(s.Tenant), Credential: strings.ReplaceAll(s.Credential.Kind, "_", " "),
		Expires: wording.At(s.Credential.Expires, now), More: max(0, len(s.Mailboxes)-maxMailboxes),
	}
	v.Soon = v.Expires.Full != "" && s.Credential.Expires.Sub(now) < expirySoon
	if s.Credential.Kind == "secret" && v.Expires.Full == "" {
		v.Hint = "When the secret expires is not known: write the day into the sign-in file, for example expires: 2027-11-01."
	}
	next := s.NextExpiry(now)
	for _, kind := range slices.Sorted(maps.Keys(next)) {
		v.Tokens = append(v.Tokens, tokenRow{whoseText(kind), wording.At(next[kind], now)})
	}
	for _, p := range s.Problems() {
		v.Problems = append(v.Problems, tokenProblem{
			reasonText: reasonTextOf(p.Reason, p.Reason.Fault(), p.Reason.Cause(), p.Reason.Remedy()),
			Detail:     wording.Sentence(p.Detail), Whose: accountsText(p.Whose), At: wording.At(p.Failed, now),
		})
	}
	for _, m := range s.Busiest(maxMailboxes) {
		v.Mailboxes = append(v.Mailboxes, mailboxRowOf(m))
	}
	return v
}

func mailboxRowOf(m tenant.Mailbox) mailboxRow {
	r := mailboxRow{Address: wording.Shown(m.Address), Sessions: fmt.Sprintf("%d of %d", m.Sessions, m.MaxSessions), Waiting: "nobody"}
	if m.Waiting+m.WaitingMails > 0 {
		for _, q := range m.Queue {
			what := "for a session"
			if q.IsMail {
				what = "to send a mail"
			}
			r.Queue = append(r.Queue, waiterRow{wording.Shown(q.Client), clientLink(q.Client), what, wording.Duration(q.Since)})
		}
		r.Waiting, r.Oldest = wording.Plural(m.Waiting, "session")+", "+wording.Plural(m.WaitingMails, "mail"), wording.Duration(m.Oldest)
	}
	return r
}

// whoseText returns whose a token is, in words; of a person, the name.
func whoseText(kind string) string {
	return strings.Replace(wording.Shown(kind), "_hve", " for High Volume Email", 1)
}

// accountsText names some of the accounts whose tokens fail.
func accountsText(all []string) string {
	const most = 3
	names := make([]string, 0, most)
	for _, a := range all[:min(most, len(all))] {
		names = append(names, whoseText(a))
	}
	text := strings.Join(names, ", ")
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
