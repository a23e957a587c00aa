package statuspage

import (
	"cmp"
	"slices"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
)

const (
	week  = 7 * day
	month = 30 * day
	// maxListed bounds the lists under the clients.
	maxListed = 50
)

// figures are the three answers at the top.
type figures struct {
	Legacy, Failing int
	// Lifted in the last days.
	InWeek, InMonth int
	// Trying are clients that would have needed lifting in the last 30 days, and
	// were not lifted.
	Trying int
	// Unclear are clients that may be such ones: they fail before that can be told.
	Unclear int
	// Silent are those that connect and never begin TLS, which monitors do, too.
	Silent int
	Last   moment // the last lifted connection
	Answer string // when tlslift can be switched off
}

func figuresOf(all []inventory.Client, now time.Time) figures {
	var f figures
	var last, needed time.Time
	for i := range all {
		c := &all[i]
		lifted := now.Sub(c.LastLifted) // centuries, if it never was
		switch {
		case lifted < week:
			f.InWeek++
			f.InMonth++
		case lifted < month:
			f.InMonth++
		case now.Sub(c.LastLegacy) < month:
			f.Trying++
		case c.MayBeLegacy() && now.Sub(c.Failure.At) < month:
			f.Unclear++
		case c.Failure == nil && stateOf(c, now) == stateIdle && now.Sub(c.LastSeen) < month:
			f.Silent++
		}
		if needsLifting(c, now) {
			f.Legacy++
		}
		if c.Failing(now) {
			f.Failing++
		}
		last = latest(last, c.LastLifted)
		needed = latest(needed, latest(c.LastLifted, c.LastLegacy))
	}
	f.Last = momentOf(last, now)
	f.Answer = f.answer(len(all), momentOf(needed, now))
	return f
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// TryingText says how many clients get nowhere that need tlslift, or may need it.
func (f figures) TryingText() string {
	needing, unclear := "1 client that needs it tries and fails", "1 client that may need it tries and fails"
	if f.Trying != 1 {
		needing = plural(f.Trying, "client") + " that need it try and fail"
	}
	if f.Unclear != 1 {
		unclear = plural(f.Unclear, "client") + " that may need it try and fail"
	}
	switch {
	case f.Unclear == 0:
		return needing
	case f.Trying == 0:
		return unclear
	}
	return needing + ", " + unclear
}

// Fruitless reports whether there are such clients.
func (f figures) Fruitless() bool { return f.Trying+f.Unclear > 0 }

// SilentText says how many clients never begin TLS.
func (f figures) SilentText() string {
	if f.Silent == 1 {
		return "1 client connects and never begins TLS: find out whether it is a monitor"
	}
	return plural(f.Silent, "client") + " connect and never begin TLS: find out whether they are monitors"
}

// needsLifting reports whether a client counts as one that still needs to be
// lifted, in the figures and in the filter.
func needsLifting(c *inventory.Client, now time.Time) bool {
	return c.Legacy() && now.Sub(c.LastSeen) < month
}

// answer returns whether tlslift can be switched off; needed is when a client last
// needed it.
func (f figures) answer(clients int, needed moment) string {
	switch {
	case clients == 0:
		return "No client has connected yet"
	case f.InMonth == 0 && f.Fruitless():
		return "No: " + f.TryingText()
	case needed.Date == "":
		return "No client has needed it so far"
	case f.InMonth == 0:
		return "No client has needed it since " + needed.Date
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

func destinationRows(all []inventory.Client, now time.Time) []destinationRow {
	byName := map[string]*destinationRow{}
	for i := range all {
		for _, d := range all[i].Destinations {
			r := byName[d]
			if r == nil {
				r = &destinationRow{Destination: shown(d)}
				byName[d] = r
			}
			r.Clients++
			if needsLifting(&all[i], now) {
				r.Legacy++
			}
			if all[i].Failing(now) {
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
			r = &reasonRow{reasonText: reasonTextOf(f.Reason, f.Fault, f.Cause, f.Remedy)}
			byReason[string(f.Reason)] = r
		}
		r.Clients++
		if all[i].Failing(now) {
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
