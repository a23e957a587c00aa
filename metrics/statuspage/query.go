package statuspage

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/summary"
	"github.com/tlslift/tlslift/metrics/wording"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// maxShown is how much an error repeats of a query.
const maxShown = 160

// pageSize is how many clients a page shows.
const pageSize = 200

// The filters.
const (
	filterAll     = "all"
	filterFailing = "failing"
	filterLegacy  = "legacy"
	filterSilent  = "silent"
)

// A query selects and sorts clients.
type query struct {
	filter     string
	sort       string
	descending bool
	search     string
	reason     record.Reason // of the last failure; empty for any
	version    string        // that is offered; empty for any
	page       int           // from 1 on
	now        time.Time
}

// An order compares clients; backwards means that the query has to say asc for the
// order of compare.
type order struct {
	compare   func(a, b *inventory.Client) int
	backwards bool
}

func (q query) orders() map[string]order {
	return map[string]order{
		"name":    {compareNames, false},
		"seen":    {func(a, b *inventory.Client) int { return a.LastSeen.Compare(b.LastSeen) }, true},
		"version": {func(a, b *inventory.Client) int { return cmp.Compare(versionRank(a), versionRank(b)) }, false},
		"outcome": {func(a, b *inventory.Client) int {
			return cmp.Compare(summary.StateOf(a, q.now), summary.StateOf(b, q.now))
		}, false},
		"failures": {func(a, b *inventory.Client) int { return cmp.Compare(failures(a), failures(b)) }, true},
	}
}

// parseQuery reads filter, sort, order, q, reason, version and page; what is missing has its
// default: all clients, those that fail first.
func parseQuery(v url.Values, now time.Time) (query, error) {
	q := query{
		filter: cmp.Or(v.Get("filter"), filterAll),
		sort:   cmp.Or(v.Get("sort"), "outcome"),
		search: strings.TrimSpace(v.Get("q")),
		reason: record.Reason(v.Get("reason")), version: v.Get("version"),
		page: 1,
		now:  now,
	}
	by, known := q.orders()[q.sort]
	if !known {
		return q, fmt.Errorf("sort=%q is none of name, seen, version, outcome and failures", netname.Cut(q.sort, maxShown))
	}
	if !slices.Contains([]string{filterAll, filterFailing, filterLegacy, filterSilent}, q.filter) {
		return q, fmt.Errorf("filter=%q is none of all, failing, legacy and silent", netname.Cut(q.filter, maxShown))
	}
	if q.reason != "" && q.reason.Cause() == "" {
		return q, fmt.Errorf("reason=%q is no reason; /reasons lists all", netname.Cut(string(q.reason), maxShown))
	}
	switch direction := v.Get("order"); direction {
	case "":
		q.descending = by.backwards
	case "asc", "desc":
		q.descending = direction == "desc"
	default:
		return q, fmt.Errorf("order=%q is neither asc nor desc", netname.Cut(direction, maxShown))
	}
	if text := v.Get("page"); text != "" {
		page, err := strconv.Atoi(text)
		if err != nil || page < 1 {
			return q, fmt.Errorf("page=%q is not a number above zero", netname.Cut(text, maxShown))
		}
		q.page = page
	}
	return q, nil
}

// selected returns the clients of a query in its order, those of all pages. Those that are
// equal are in the order of their names.
func (q query) selected(all []inventory.Client, describe func(name string) clientfile.Description) []inventory.Client {
	var found []*inventory.Client // a client is large
	for i := range all {
		if q.matches(&all[i], describe) {
			found = append(found, &all[i])
		}
	}
	by := q.orders()[q.sort].compare
	slices.SortFunc(found, func(a, b *inventory.Client) int {
		n := by(a, b)
		if q.descending {
			n = -n
		}
		return cmp.Or(n, compareNames(a, b))
	})
	sorted := make([]inventory.Client, len(found))
	for i, c := range found {
		sorted[i] = *c
	}
	return sorted
}

func (q query) matches(c *inventory.Client, describe func(name string) clientfile.Description) bool {
	switch {
	case q.filter == filterFailing && !c.Failing(q.now), q.filter == filterLegacy && !c.NeedsLifting(q.now),
		q.filter == filterSilent && !c.Silent(q.now):
		return false
	case q.reason != "" && (c.Failure == nil || c.Failure.Reason != q.reason):
		return false
	case q.version != "" && summary.Offers(c) != q.version:
		return false
	case q.search == "":
		return true
	}
	about := describe(c.Name)
	texts := []string{c.Client, c.Name, wording.Address(c.Address), c.Host, c.Offered, c.Mailbox, c.Login, about.Model, about.Note}
	texts = append(append(texts, c.Destinations...), c.Protocols...)
	if c.Failure != nil {
		texts = append(texts, string(c.Failure.Reason))
	}
	wanted := strings.ToLower(q.search)
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), wanted) })
}

// values returns what selects the clients, and not their order.
func (q query) values() url.Values {
	v := url.Values{"filter": {q.filter}}
	for name, value := range map[string]string{"q": q.search, "reason": string(q.reason), "version": q.version} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

// link returns the query as a relative URL, with some values changed: names
// and values in turn. A change goes back to the first page.
func (q query) link(changes ...string) string {
	v := q.values()
	v.Set("sort", q.sort)
	v.Set("order", q.order())
	for i := 0; i+1 < len(changes); i += 2 {
		if v.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			v.Del(changes[i])
		}
	}
	return "/?" + v.Encode()
}

func (q query) order() string {
	if q.descending {
		return "desc"
	}
	return "asc"
}

// cut returns the clients of the query's page, or those of the last page if there are
// fewer.
func (q *query) cut(found []inventory.Client) []inventory.Client {
	q.page = max(1, min(q.page, (len(found)+pageSize-1)/pageSize))
	first := (q.page - 1) * pageSize
	return found[first:min(first+pageSize, len(found))]
}

// compareNames puts addresses into the order of their numbers, before names.
func compareNames(a, b *inventory.Client) int {
	if a.Name == "" && b.Name == "" {
		return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Client, b.Client))
	}
	return cmp.Or(cmp.Compare(strings.ToLower(a.Client), strings.ToLower(b.Client)), cmp.Compare(a.Client, b.Client))
}

// versionRank sorts by what clients offer, those that offered nothing last.
// SSL comes before TLS in the alphabet as well.
func versionRank(c *inventory.Client) string {
	if c.Offered == "" || c.Offered == "none" {
		return "\U0010FFFF"
	}
	return c.Offered
}

func failures(c *inventory.Client) uint64 {
	return c.Outcomes[record.OutcomeFailed] + c.Outcomes[record.OutcomeRefused] + c.FailedInSession
}
