package summary

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/wording"
	"github.com/tlslift/tlslift/proxy/record"
)

const (
	// maxListed bounds a list of groups, and maxNames the clients that one of them names.
	maxListed = 50
	maxNames  = 12
)

// A Group is what clients have in common: a destination, or the TLS version that they offer.
type Group struct {
	Name                     string
	Clients, Legacy, Failing int
}

func (g *Group) add(c *inventory.Client, now time.Time) {
	g.Clients++
	if c.NeedsLifting(now) {
		g.Legacy++
	}
	if c.Failing(now) {
		g.Failing++
	}
}

// Destinations groups clients by where they connect to, those with the most clients first.
// A client may be in several groups.
func Destinations(all []inventory.Client, now time.Time) []Group {
	rows := grouped(all, now, func(c *inventory.Client) []string { return c.Destinations })
	slices.SortFunc(rows, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Clients, a.Clients), cmp.Compare(a.Name, b.Name))
	})
	return rows[:min(len(rows), maxListed)]
}

// Versions groups clients by the newest TLS version that they offer, the oldest first and
// those without TLS at the end. Clients that have not offered any are left out.
func Versions(all []inventory.Client, now time.Time) []Group {
	rows := grouped(all, now, func(c *inventory.Client) []string {
		if c.Offered == "" {
			return nil
		}
		return []string{Offers(c)}
	})
	slices.SortFunc(rows, func(a, b Group) int {
		return cmp.Or(cmp.Compare(order(a.Name), order(b.Name)), strings.Compare(a.Name, b.Name))
	})
	return rows[:min(len(rows), maxListed)]
}

// NoTLS is in place of a version for a client that does not use TLS.
const NoTLS = "no TLS"

// order puts NoTLS after the versions. SSL comes before TLS in the alphabet.
func order(version string) int {
	if version == NoTLS {
		return 1
	}
	return 0
}

// Offers returns the newest version that a client offers, in words; empty if that is not
// known.
func Offers(c *inventory.Client) string {
	if c.Offered == "none" {
		return NoTLS
	}
	return wording.Shown(c.Offered)
}

// grouped puts clients into the groups that of returns, in no order.
func grouped(all []inventory.Client, now time.Time, of func(*inventory.Client) []string) []Group {
	byName := map[string]*Group{}
	for i := range all {
		for _, name := range of(&all[i]) {
			g := byName[name]
			if g == nil {
				g = &Group{Name: wording.Shown(name)}
				byName[name] = g
			}
			g.add(&all[i], now)
		}
	}
	rows := make([]Group, 0, len(byName))
	for _, g := range byName {
		rows = append(rows, *g)
	}
	return rows
}

// A Problem is a reason that was the last one of some clients, with the one remedy for all
// of them.
type Problem struct {
	Reason        record.Reason
	Fault         record.Fault
	Cause, Remedy string
	// Clients had it last, Unsolved had no success since, Failing are those of the last day.
	Clients, Unsolved, Failing int
	Last                       wording.Moment
	// Names are the first clients that had no success since; More are further ones.
	Names []string
	More  int

	last time.Time
}

func (p *Problem) add(c *inventory.Client, now time.Time) {
	p.Clients++
	if c.Failing(now) {
		p.Failing++
	}
	if c.Unsolved() {
		p.Unsolved++
		p.Names = append(p.Names, c.Client)
	}
	if at := c.Failure.At; at.After(p.last) {
		p.last, p.Last = at, wording.At(at, now)
	}
}

// Problems groups clients by the reason of their last failure: those that fail now first.
func Problems(all []inventory.Client, now time.Time) []Problem {
	byReason := map[record.Reason]*Problem{}
	for i := range all {
		f := all[i].Failure
		if f == nil {
			continue
		}
		p := byReason[f.Reason]
		if p == nil {
			p = &Problem{Reason: f.Reason, Fault: f.Fault, Cause: f.Cause, Remedy: f.Remedy}
			byReason[f.Reason] = p
		}
		p.add(&all[i], now)
	}
	rows := make([]Problem, 0, len(byReason))
	for _, p := range byReason {
		slices.Sort(p.Names)
		p.More = max(0, len(p.Names)-maxNames)
		p.Names = p.Names[:len(p.Names)-p.More]
		rows = append(rows, *p)
	}
	slices.SortFunc(rows, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(b.Failing, a.Failing), cmp.Compare(b.Unsolved, a.Unsolved), cmp.Compare(b.Clients, a.Clients),
			cmp.Compare(a.Reason, b.Reason))
	})
	return rows[:min(len(rows), maxListed)]
}

// A Quiet is a client that used to deliver mail, and does not any more.
type Quiet struct {
	Client string
	Last   wording.Moment // its last mail
	// Usual is the longest time that it was without a mail before.
	Usual string
}

// Silent returns the clients that are silent, the longest first, at most maxListed, and how
// many more there are.
func Silent(all []inventory.Client, now time.Time) (rows []Quiet, more int) {
	var found []*inventory.Client
	for i := range all {
		if all[i].Silent(now) {
			found = append(found, &all[i])
		}
	}
	slices.SortFunc(found, func(a, b *inventory.Client) int {
		return cmp.Or(a.LastAccepted.Compare(b.LastAccepted), cmp.Compare(a.Client, b.Client))
	})
	for _, c := range found[:min(len(found), maxListed)] {
		rows = append(rows, Quiet{c.Client, wording.At(c.LastAccepted, now), wording.Span(c.MailPause.Duration())})
	}
	return rows, max(0, len(found)-maxListed)
}

// Mail returns in words how many mails of a client were accepted, and whether that has ended;
// empty for a client without lifted SMTP sessions.
func Mail(c *inventory.Client) string {
	switch sent := wording.Count(c.Accepted, "mail"); {
	case c.Accepted == 0 && c.SessionsWithoutMail == 0:
		return ""
	case c.Accepted == 0:
		return "connected " + wording.Count(c.SessionsWithoutMail, "time") + ", sent nothing"
	case c.SessionsWithoutMail == 0:
		return sent + " accepted"
	default:
		return sent + " accepted, none in the last " + wording.Count(c.SessionsWithoutMail, "session")
	}
}
