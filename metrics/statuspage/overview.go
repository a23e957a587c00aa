package statuspage

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// An overview is the status page.
type overview struct {
	head
	Figures      figures
	Filters      []choice
	Columns      []heading
	Search       string
	Sort, Order  string // of this query, for the form
	Filter       string
	CSV          string
	Rows         []row
	Matching     string
	Previous     string // empty on the first page
	Next         string // empty on the last one
	Destinations []destinationRow
	Reasons      []reasonRow
	SignIn       signInView
	Listeners    []string
	Authority    authorityView
	Endpoints    endpointsView
}

// A choice is one of several links.
type choice struct {
	Text   string
	Count  int
	Link   string
	Active bool
}

// A heading is that of a column; one without a link does not sort.
type heading struct {
	Text, Link string
	Sorted     string // as in aria-sort
}

// A row is one client in the table.
type row struct {
	Name, Link, Address, Hint      string
	State, Title, Meaning          string
	Offered                        string
	SSLv2                          bool
	Protocols                      []string
	Destination                    string
	More                           int // further destinations
	Mailbox, Login                 string
	Seen                           moment
	Passed, Lifted, Refused, Broke uint64
	Mail                           string // what was sent
	InSession                      uint64 // passed or lifted, and failed all the same
	Reason, Cause, Remedy          string // of the last failure, if no success has followed
}

func (s *site) serveOverview(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	q, err := parseQuery(r.URL.Query(), now)
	if err != nil {
		s.renderMessage(w, http.StatusBadRequest, "This page does not exist", err.Error())
		return
	}
	all := s.Inventory.Snapshot()
	found := q.selected(all)
	page := q.cut(found)
	data := overview{
		head:         s.head("Status", "/"),
		Figures:      figuresOf(all, now),
		Filters:      q.filters(all),
		Columns:      q.headings(),
		Search:       shown(q.search),
		Sort:         q.sort,
		Order:        q.order(),
		Filter:       q.filter,
		CSV:          "/api/v1/clients.csv?" + url.Values{"filter": {q.filter}, "q": {q.search}}.Encode(),
		Matching:     matchingText(len(found), len(all), len(page)),
		Destinations: destinationRows(all, now),
		Reasons:      reasonRows(all, now),
		SignIn:       signInViewOf(s.SignIn(), now),
		Authority:    s.Authority.view(now),
		Endpoints:    s.Endpoints().view(now),
	}
	for _, l := range s.Listeners() {
		data.Listeners = append(data.Listeners, shown(l.String()))
	}
	for i := range page {
		data.Rows = append(data.Rows, rowOf(&page[i], now))
	}
	if q.page > 1 {
		data.Previous = q.link("page", strconv.Itoa(q.page-1))
	}
	if q.page*pageSize < len(found) {
		data.Next = q.link("page", strconv.Itoa(q.page+1))
	}
	s.render(w, http.StatusOK, "overview.html", data)
}

func matchingText(found, all, page int) string {
	switch {
	case page < found:
		return fmt.Sprintf("%d of %s on this page", page, plural(found, "client"))
	case found == all:
		return plural(all, "client")
	}
	return fmt.Sprintf("%d of %s", found, plural(all, "client"))
}

func (q query) filters(all []inventory.Client) []choice {
	failing, legacy := 0, 0
	for i := range all {
		if all[i].Failing(q.now) {
			failing++
		}
		if q.needsLifting(&all[i]) {
			legacy++
		}
	}
	return []choice{
		{"All", len(all), q.link("filter", filterAll), q.filter == filterAll},
		{"Failing", failing, q.link("filter", filterFailing), q.filter == filterFailing},
		{"Need lifting", legacy, q.link("filter", filterLegacy), q.filter == filterLegacy},
	}
}

func (q query) headings() []heading {
	columns := []struct{ text, sort string }{
		{"Client", "name"}, {"State", "outcome"}, {"Offers", "version"}, {"Destination", ""},
		{"Last seen", "seen"}, {"Connections", ""}, {"Failed", "failures"},
	}
	all := make([]heading, len(columns))
	for i, c := range columns {
		all[i].Text = c.text
		if c.sort == "" {
			continue
		}
		order := "asc"
		if q.orders()[c.sort].backwards {
			order = "desc"
		}
		if c.sort == q.sort {
			all[i].Sorted = q.order() + "ending"
			order = map[bool]string{true: "asc", false: "desc"}[q.descending]
		}
		all[i].Link = q.link("sort", c.sort, "order", order)
	}
	return all
}

func clientLink(client string) string { return "/clients/" + url.PathEscape(client) }

func rowOf(c *inventory.Client, now time.Time) row {
	state := stateOf(c, now)
	r := row{
		Name: shown(c.Client), Link: clientLink(c.Client), Hint: shown(c.Host),
		State: state.text(), Title: state.title(), Meaning: state.meaning(),
		Offered: offeredText(c), SSLv2: c.SSLv2Format,
		Protocols: shownAll(c.Protocols),
		Seen:      momentOf(c.LastSeen, now),
		Passed:    c.Outcomes[record.OutcomePassed], Lifted: c.Outcomes[record.OutcomeLifted],
		Refused: c.Outcomes[record.OutcomeRefused], Broke: c.Outcomes[record.OutcomeFailed],
		InSession: c.FailedInSession, Mail: mailText(c),
		Mailbox: shown(c.Mailbox), Login: shown(c.Login),
	}
	if address := addressText(c.Address); address != c.Client {
		r.Address = address
	}
	if len(c.Destinations) > 0 {
		r.Destination, r.More = shown(c.Destinations[0]), len(c.Destinations)-1
	}
	if c.Unsolved() {
		r.Reason, r.Cause, r.Remedy = shown(string(c.Failure.Reason)), sentence(c.Failure.Cause), sentence(c.Failure.Remedy)
	}
	return r
}

// mailText says how many mails were accepted, and whether that has ended; empty for a
// client without lifted SMTP sessions.
func mailText(c *inventory.Client) string {
	switch sent := countText(c.Accepted, "mail"); {
	case c.Accepted == 0 && c.SessionsWithoutMail == 0:
		return ""
	case c.Accepted == 0:
		return "connected " + countText(c.SessionsWithoutMail, "time") + ", sent nothing"
	case c.SessionsWithoutMail == 0:
		return sent + " accepted"
	default:
		return sent + " accepted, none in the last " + countText(c.SessionsWithoutMail, "session")
	}
}

func countText(n uint64, noun string) string { return plural(int(min(n, math.MaxInt32)), noun) }

// sentence returns a sentence of ours, which may be longer than a client's texts.
func sentence(s string) string { return netname.Text(s, 600) }

func offeredText(c *inventory.Client) string {
	if c.Offered == "none" {
		return "no TLS"
	}
	return shown(c.Offered)
}
