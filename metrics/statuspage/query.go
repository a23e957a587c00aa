package statuspage

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// pageSize is how many clients a page shows.
const pageSize = 200

// The filters.
const (
	filterAll     = "all"
	filterFailing = "failing"
	filterLegacy  = "legacy"
)

// A query selects and sorts clients.
type query struct {
	filter     string
	sort       string
	descending bool
	search     string
	page       int // from 1 on
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
		"name":     {compareNames, false},
		"seen":     {func(a, b *inventory.Client) int { return a.LastSeen.Compare(b.LastSeen) }, true},
		"version":  {func(a, b *inventory.Client) int { return cmp.Compare(versionRank(a), versionRank(b)) }, false},
		"outcome":  {func(a, b *inventory.Client) int { return cmp.Compare(stateOf(a, q.now), stateOf(b, q.now)) }, false},
		"failures": {func(a, b *inventory.Client) int { return cmp.Compare(failures(a), failures(b)) }, true},
	}
}

// parseQuery reads filter, sort, order, q and page; what is missing has its
// default: all clients, those that fail first.
func parseQuery(v url.Values, now time.Time) (query, error) {
	q := query{
		filter: cmp.Or(v.Get("filter"), filterAll),
		sort:   cmp.Or(v.Get("sort"), "outcome"),
		search: strings.TrimSpace(v.Get("q")),
		page:   1,
		now:    now,
	}
	by, known := q.orders()[q.sort]
	if !known {
		return q, fmt.Errorf("sort=%q is none of name, seen, version, outcome and failures", netname.Cut(q.sort, maxShown))
	}
	if !slices.Contains([]string{filterAll, filterFailing, filterLegacy}, q.filter) {
		return q, fmt.Errorf("filter=%q is none of all, failing and legacy", netname.Cut(q.filter, maxShown))
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

// selected returns the clients of a query in its order, those of all pages. Those that are equal are in the order of their names.
func (q query) selected(all []inventory.Client) []inventory.Client {
	found := slices.DeleteFunc(slices.Clone(all), func(c inventory.Client) bool { return !q.matches(&c) })
	by := q.orders()[q.sort].compare
	slices.SortFunc(found, func(a, b inventory.Client) int {
		n := by(&a, &b)
		if q.descending {
			n = -n
		}
		return cmp.Or(n, compareNames(&a, &b))
	})
	return found
}

func (q query) matches(c *inventory.Client) bool {
	switch {
	case q.filter == filterFailing && !c.Failing(q.now):
		return false
	case q.filter == filterLegacy && !q.needsLifting(c):
		return false
	case q.search == "":
		return true
	}
	texts := []string{c.Client, c.Name, addressText(c.Address), c.Host, c.Offered, c.Mailbox, c.Login}
	texts = append(append(texts, c.Destinations...), c.Protocols...)
	if c.Failure != nil {
		texts = append(texts, string(c.Failure.Reason))
	}
	wanted := strings.ToLower(q.search)
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), wanted) })
}

// needsLifting reports whether the client is one of those that still need to be
// lifted: seen within a month.
func (q query) needsLifting(c *inventory.Client) bool { return needsLifting(c, q.now) }

// link returns the query as a relative URL, with some values changed: names
// and values in turn. A change goes back to the first page.
func (q query) link(changes ...string) string {
	v := url.Values{"filter": {q.filter}, "sort": {q.sort}, "order": {q.order()}}
	if q.search != "" {
		v.Set("q", q.search)
	}
	for i := 0; i+1 < len(changes); i += 2 {
		v.Set(changes[i], changes[i+1])
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

// addressText is empty for no address.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
