package statuspage

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tlslift/tlslift/metrics/burndown"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/summary"
	"github.com/tlslift/tlslift/metrics/wording"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/record"
)

// An overview is the status page.
type overview struct {
	head
	Figures   summary.Figures
	Chart     burndown.Chart
	Problems  []problem
	Solved    []problem
	Filters   []choice
	Only      []choice // reason and version that are selected; the links drop them
	Columns   []heading
	Form      []field // of the query, besides what is searched for
	Search    string
	Filter    string
	CSV       string
	Report    string
	Rows      []row
	Matching  string
	Previous  string // empty on the first page
	Next      string // empty on the last one
	Versions  []version
	Silent    []quiet
	MoreQuiet int

	Destinations []summary.Group
	Probes       probesView
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

// A field is a hidden one of a form.
type field struct{ Name, Value string }

// A heading is that of a column; one without a link does not sort.
type heading struct {
	Text, Link string
	Sorted     string // the value of aria-sort
}

// A row is one client in the table.
type row struct {
	Name, Link, Address, Hint      string
	Model, Note                    string
	State, Title, Meaning          string
	Offered                        string
	SSLv2                          bool
	Destination                    string
	More                           int // further destinations
	Mailbox, Login                 string
	Seen                           wording.Moment
	Passed, Lifted, Refused, Broke uint64
	Mail                           string // what was sent
	LastMail                       wording.Moment
	Silent                         bool
	InSession                      uint64 // passed or lifted, and failed all the same
	Reason, ReasonLink             string // of the last failure, if no success has followed
}

func (s *site) serveOverview(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	q, err := parseQuery(r.URL.Query(), now)
	if err != nil {
		s.renderMessage(w, http.StatusBadRequest, "This page does not exist", err.Error())
		return
	}
	all := s.Inventory.Snapshot()
	found := q.selected(all, s.Describe)
	page := q.cut(found)
	data := overview{
		head:         s.head("Status", "/"),
		Figures:      summary.FiguresOf(all, now),
		Filters:      q.filters(all),
		Only:         q.only(),
		Columns:      q.headings(),
		Form:         q.fields(),
		Search:       wording.Shown(q.search),
		Filter:       q.filter,
		CSV:          "/api/v1/clients.csv?" + q.values().Encode(),
		Report:       "/report?" + q.values().Encode(),
		Matching:     matchingText(len(found), len(all), len(page)),
		Versions:     versionsOf(all, now),
		Destinations: summary.Destinations(all, now),
		Probes:       probesViewOf(s.Probes(), now),
		SignIn:       signInViewOf(s.SignIn(), now),
		Authority:    s.Authority.view(now),
		Endpoints:    s.Endpoints().view(now),
	}
	data.Chart = burndown.ChartOf(s.Inventory.Days(), data.Figures.Legacy, now)
	data.Problems, data.Solved = problemsOf(all, now)
	data.Silent, data.MoreQuiet = silentOf(all, now)
	for _, l := range s.Listeners() {
		data.Listeners = append(data.Listeners, wording.Shown(l.String()))
	}
	for i := range page {
		data.Rows = append(data.Rows, rowOf(&page[i], s.Describe(page[i].Name), now))
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
		return fmt.Sprintf("%d of %s on this page", page, wording.Plural(found, "client"))
	case found == all:
		return wording.Plural(all, "client")
	}
	return fmt.Sprintf("%d of %s", found, wording.Plural(all, "client"))
}

func (q query) filters(all []inventory.Client) []choice {
	counts := map[string]int{filterAll: len(all)}
	for i := range all {
		for filter, is := range map[string]bool{
			filterFailing: all[i].Failing(q.now), filterLegacy: all[i].NeedsLifting(q.now), filterSilent: all[i].Silent(q.now),
		} {
			if is {
				counts[filter]++
			}
		}
	}
	choices := make([]choice, 0, 4)
	for _, c := range []struct{ text, filter string }{
		{"All", filterAll}, {"Failing", filterFailing}, {"Need lifting", filterLegacy}, {"Silent", filterSilent},
	} {
		link := q.link("filter", c.filter, "reason", "", "version", "")
		choices = append(choices, choice{c.text, counts[c.filter], link, q.filter == c.filter})
	}
	return choices
}

// fields returns the query without what is searched for.
func (q query) fields() []field {
	all := []field{{"filter", q.filter}, {"sort", q.sort}, {"order", q.order()}}
	if q.reason != "" {
		all = append(all, field{"reason", string(q.reason)})
	}
	if q.version != "" {
		all = append(all, field{"version", wording.Shown(q.version)})
	}
	return all
}

// only returns the reason and the version that are selected.
func (q query) only() (all []choice) {
	if q.reason != "" {
		all = append(all, choice{Text: "reason " + wording.Shown(string(q.reason)), Link: q.link("reason", "")})
	}
	if q.version != "" {
		all = append(all, choice{Text: "offers " + wording.Shown(q.version), Link: q.link("version", "")})
	}
	return all
}

func (q query) headings() []heading {
	columns := []struct{ text, sort string }{
		{"Client", "name"}, {"State", "outcome"}, {"Offers", "version"}, {"Destination", ""},
		{"Last seen", "seen"}, {"Connections", "failures"},
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

// maxKey is above the length of all names that an inventory keeps.
const maxKey = 255

func clientLink(client string) string {
	return "/clients/" + url.PathEscape(client[:min(len(client), maxKey)])
}

func rowOf(c *inventory.Client, about clientfile.Description, now time.Time) row {
	state := summary.StateOf(c, now)
	r := row{
		Name: wording.Shown(c.Client), Link: clientLink(c.Client), Hint: wording.Shown(c.Host),
		Model: wording.Shown(about.Model), Note: wording.Sentence(about.Note),
		State: state.Text(), Title: state.Title(), Meaning: state.Meaning(),
		Offered: summary.Offers(c), SSLv2: c.SSLv2Format,
		Seen:   wording.At(c.LastSeen, now),
		Passed: c.Outcomes[record.OutcomePassed], Lifted: c.Outcomes[record.OutcomeLifted],
		Refused: c.Outcomes[record.OutcomeRefused], Broke: c.Outcomes[record.OutcomeFailed],
		InSession: c.FailedInSession, Mail: summary.Mail(c), LastMail: wording.At(c.LastAccepted, now), Silent: c.Silent(now),
		Mailbox: wording.Shown(c.Mailbox), Login: wording.Shown(c.Login),
	}
	if address := wording.Address(c.Address); address != c.Client {
		r.Address = address
	}
	if len(c.Destinations) > 0 {
		r.Destination, r.More = wording.Shown(c.Destinations[0]), len(c.Destinations)-1
	}
	if c.Unsolved() {
		r.Reason, r.ReasonLink = wording.Shown(string(c.Failure.Reason)), reasonLink(c.Failure.Reason)
	}
	return r
}
