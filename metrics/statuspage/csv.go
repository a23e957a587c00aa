package statuspage

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// maxCell is far above the length of any cell, and below the limit of spreadsheets.
const maxCell = 2000

// A column is one of the CSV file.
type column struct {
	name string
	of   func(inventory.Client) string
}

func csvColumns(now time.Time) []column {
	count := func(o record.Outcome) func(inventory.Client) string {
		return func(c inventory.Client) string { return strconv.FormatUint(c.Outcomes[o], 10) }
	}
	failure := func(of func(*inventory.Failure) string) func(inventory.Client) string {
		return func(c inventory.Client) string {
			if c.Failure == nil {
				return ""
			}
			return of(c.Failure)
		}
	}
	return []column{
		{"client", func(c inventory.Client) string { return c.Client }},
		{"address", func(c inventory.Client) string { return addressText(c.Address) }},
		{"host", func(c inventory.Client) string { return c.Host }},
		{"state", func(c inventory.Client) string { return stateOf(&c, now).text() }},
		{"offered", func(c inventory.Client) string { return c.Offered }},
		{"rule", func(c inventory.Client) string { return string(c.Rule) }},
		{"version", func(c inventory.Client) string { return c.Version }},
		{"cipher_suite", func(c inventory.Client) string { return c.CipherSuite }},
		{"protocols", func(c inventory.Client) string { return strings.Join(c.Protocols, " ") }},
		{"destinations", func(c inventory.Client) string { return strings.Join(c.Destinations, " ") }},
		{"first_seen", func(c inventory.Client) string { return timeCell(c.FirstSeen) }},
		{"last_seen", func(c inventory.Client) string { return timeCell(c.LastSeen) }},
		{"last_lifted", func(c inventory.Client) string { return timeCell(c.LastLifted) }},
		{"passed", count(record.OutcomePassed)},
		{"lifted", count(record.OutcomeLifted)},
		{"refused", count(record.OutcomeRefused)},
		{"failed", count(record.OutcomeFailed)},
		{"last_failure", failure(func(f *inventory.Failure) string { return timeCell(f.At) })},
		{"reason", failure(func(f *inventory.Failure) string { return string(f.Reason) })},
		{"fault", failure(func(f *inventory.Failure) string { return string(f.Fault) })},
		{"cause", failure(func(f *inventory.Failure) string { return f.Cause })},
		{"remedy", failure(func(f *inventory.Failure) string { return f.Remedy })},
		{"smtp_reply", func(c inventory.Client) string { return c.SMTPReply }},
		{"last_legacy", func(c inventory.Client) string { return timeCell(c.LastLegacy) }},
		{"accepted", func(c inventory.Client) string { return strconv.FormatUint(c.Accepted, 10) }},
		{"last_accepted", func(c inventory.Client) string { return timeCell(c.LastAccepted) }},
		{"sessions_without_mail", func(c inventory.Client) string { return strconv.FormatUint(c.SessionsWithoutMail, 10) }},
		{"failed_in_session", func(c inventory.Client) string { return strconv.FormatUint(c.FailedInSession, 10) }},
		{"mailbox", func(c inventory.Client) string { return c.Mailbox }},
		{"login", func(c inventory.Client) string { return c.Login }},
		{"last_sign_in", func(c inventory.Client) string { return timeCell(c.LastSignIn) }},
	}
}

// serveCSV has the same query as the status page, and answers with all clients at
// once.
func (s *site) serveCSV(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	q, err := parseQuery(r.URL.Query(), now)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="tlslift-clients.csv"`)
	columns := csvColumns(now)
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180 section 2
	line := make([]string, len(columns))
	for i, c := range columns {
		line[i] = c.name
	}
	_ = out.Write(line) // an error means that the peer has closed the connection
	for _, client := range q.selected(s.Inventory.Snapshot()) {
		for i, c := range columns {
			line[i] = cell(c.of(client))
		}
		_ = out.Write(line)
	}
	out.Flush()
}

func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// cell returns a text that no spreadsheet reads as a formula, whatever a client has
// chosen. East Asian versions read the wide characters as formulas too.
func cell(s string) string {
	s = netname.Text(s, maxCell)
	if trimmed := strings.TrimLeft(s, " "); trimmed != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(trimmed)[0]) {
		return "'" + s
	}
	return s
}
