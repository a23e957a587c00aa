package report

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/summary"
	"github.com/tlslift/tlslift/metrics/wording"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/record"
)

// A Client is a client with what the clients file says of it.
type Client struct {
	inventory.Client

	About clientfile.Description
}

// WriteClients writes all that is known of clients.
func WriteClients(w io.Writer, clients []Client, now time.Time) {
	write(w, clientColumns(now), clients)
}

func clientColumns(now time.Time) []column[Client] {
	count := func(o record.Outcome) func(Client) string {
		return func(c Client) string { return strconv.FormatUint(c.Outcomes[o], 10) }
	}
	failure := func(of func(*inventory.Failure) string) func(Client) string {
		return func(c Client) string {
			if c.Failure == nil {
				return ""
			}
			return of(c.Failure)
		}
	}
	return []column[Client]{
		{"client", func(c Client) string { return c.Client.Client }},
		{"address", func(c Client) string { return wording.Address(c.Address) }},
		{"host", func(c Client) string { return c.Host }},
		{"state", func(c Client) string { return summary.StateOf(&c.Client, now).Text() }},
		{"offered", func(c Client) string { return c.Offered }},
		{"rule", func(c Client) string { return string(c.Rule) }},
		{"version", func(c Client) string { return c.Version }},
		{"cipher_suite", func(c Client) string { return c.CipherSuite }},
		{"protocols", func(c Client) string { return strings.Join(c.Protocols, " ") }},
		{"destinations", func(c Client) string { return strings.Join(c.Destinations, " ") }},
		{"first_seen", func(c Client) string { return timeCell(c.FirstSeen) }},
		{"last_seen", func(c Client) string { return timeCell(c.LastSeen) }},
		{"last_lifted", func(c Client) string { return timeCell(c.LastLifted) }},
		{"passed", count(record.OutcomePassed)},
		{"lifted", count(record.OutcomeLifted)},
		{"refused", count(record.OutcomeRefused)},
		{"failed", count(record.OutcomeFailed)},
		{"last_failure", failure(func(f *inventory.Failure) string { return timeCell(f.At) })},
		{"reason", failure(func(f *inventory.Failure) string { return string(f.Reason) })},
		{"fault", failure(func(f *inventory.Failure) string { return string(f.Fault) })},
		{"cause", failure(func(f *inventory.Failure) string { return f.Cause })},
		{"remedy", failure(func(f *inventory.Failure) string { return f.Remedy })},
		{"smtp_reply", func(c Client) string { return c.SMTPReply }},
		{"last_legacy", func(c Client) string { return timeCell(c.LastLegacy) }},
		{"accepted", func(c Client) string { return strconv.FormatUint(c.Accepted, 10) }},
		{"last_accepted", func(c Client) string { return timeCell(c.LastAccepted) }},
		{"sessions_without_mail", func(c Client) string { return strconv.FormatUint(c.SessionsWithoutMail, 10) }},
		{"failed_in_session", func(c Client) string { return strconv.FormatUint(c.FailedInSession, 10) }},
		{"mailbox", func(c Client) string { return c.Mailbox }},
		{"login", func(c Client) string { return c.Login }},
		{"last_sign_in", func(c Client) string { return timeCell(c.LastSignIn) }},
		{"silent", func(c Client) string { return strconv.FormatBool(c.Silent(now)) }},
		{"model", func(c Client) string { return c.About.Model }},
		{"note", func(c Client) string { return c.About.Note }},
	}
}

func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
