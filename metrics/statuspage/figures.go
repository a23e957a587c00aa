package statuspage

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
)

const (
	week  = 7 * day
	month = 30 * day
	// maxListed bounds the lists below the clients.
	maxListed = 50
)

// figures are the three answers on top.
type figures struct {
	Legacy, Failing int
	// Lifted in the last days.
	InWeek, InMonth int
	Last            moment // the last lifted connection
	Answer          string // when tlslift can be switched off
}

func figuresOf(all []inventory.Client, now time.Time) figures {
	var f figures
	var last time.Time
	for i := range all {
		c := &all[i]
		lifted := now.Sub(c.LastLifted) // centuries, if it never was
		switch {
		case c.LastLifted.IsZero():
		case lifted < week:
			f.InWeek++
			f.InMonth++
		case lifted < month:
			f.InMonth++
		}
		if c.Legacy() && now.Sub(c.LastSeen) < month {
			f.Legacy++
		}
		if c.Failing() {
			f.Failing++
		}
		if c.LastLifted.After(last) {
			last = c.LastLifted
		}
	}
	f.Last = momentOf(last, now)
	f.Answer = f.answer(len(all))
	return f
}

func (f figures) answer(clients int) string {
	switch {
	case clients == 0:
		return "Nothing is known yet"
	case f.Last.Date == "":
		return "Nobody has needed it so far"
	case f.InMonth == 0:
		return "Nobody has needed it since " + f.Last.Date
	case f.InWeek == 0:
		return "Not yet"
	}
	return "Not now"
}

// A destinationRow counts the clients of one destination.
type destinationRow struct {
	Destination              string
	Clients, Legacy, Failing int
}

func destinationRows(all []inventory.Client) []destinationRow {
	byName := map[string]*destinationRow{}
	for i := range all {
		for _, d := range all[i].Destinations {
			r := byName[d]
			if r == nil {
				r = &destinationRow{Destination: shown(d)}
				byName[d] = r
			}
			r.Clients++
			if all[i].Legacy() {
				r.Legacy++
			}
			if all[i].Failing() {
				r.Failing++
			}
		}
	}
	rows := make([]destinationRow, 0, len(byName))
	for _, r := range byName {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b destinationRow) int {
		return cmp.Or(cmp.Compare(b.Clients, a.Clients), cmp.Compare(a.Destination, b.Destination))
	})
	return rows[:min(len(rows), maxListed)]
}

// A reasonRow is a reason that was the last one of some client.
type reasonRow struct {
	reasonText
	Clients, Failing int
	Last             moment
	last             time.Time
}

func reasonRows(all []inventory.Client, now time.Time) []reasonRow {
	byReason := map[string]*reasonRow{}
	for i := range all {
		f := all[i].Failure
		if f == nil {
			continue
		}
		r := byReason[string(f.Reason)]
		if r == nil {
			r = &reasonRow{reasonText: reasonText{shown(string(f.Reason)), sentence(f.Cause), sentence(f.Remedy)}}
			byReason[string(f.Reason)] = r
		}
		r.Clients++
		if all[i].Failing() {
			r.Failing++
		}
		if f.At.After(r.last) {
			r.last, r.Last = f.At, momentOf(f.At, now)
		}
	}
	rows := make([]reasonRow, 0, len(byReason))
	for _, r := range byReason {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b reasonRow) int {
		return cmp.Or(cmp.Compare(b.Failing, a.Failing), cmp.Compare(b.Clients, a.Clients), cmp.Compare(a.Reason, b.Reason))
	})
	return rows[:min(len(rows), maxListed)]
}

// An authorityView is the CA certificate on a page.
type authorityView struct {
	Subject, Fingerprint string
	Expires              moment
	Days                 int
	// Soon is below 90 days: it takes a round to every client to replace it.
	Soon bool
}

func (s *site) authorityView(now time.Time) authorityView {
	c := s.Authority.Certificate
	if c == nil {
		return authorityView{}
	}
	left := c.NotAfter.Sub(now)
	return authorityView{
		Subject: shown(c.Subject.String()), Fingerprint: s.Authority.Fingerprint,
		Expires: momentOf(c.NotAfter, now), Days: int(left / day), Soon: left < 90*day,
	}
}

// An endpointsView is the list of hosts on a page.
type endpointsView struct {
	Instance, List string
	Checked        moment
	Refreshed      bool
	Hint           string
}

func (s *site) endpointsView(now time.Time) endpointsView {
	e := s.Endpoints()
	v := endpointsView{Instance: e.Instance, List: shown(e.List), Checked: momentOf(e.Checked, now), Refreshed: e.Refreshed}
	switch age := now.Sub(e.Checked); {
	case e.Instance == "":
	case !e.Refreshed:
		v.Hint = "Nobody is asked for a newer one; TLSLIFT_M365_REFRESH=true keeps it current."
	case !e.Checked.IsZero() && age > 2*day:
		v.Hint = fmt.Sprintf("It could not be checked for %s: see the log.", plural(int(age/day), "day"))
	}
	return v
}
