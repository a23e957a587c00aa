package statuspage

import (
	"net/url"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/summary"
	"github.com/tlslift/tlslift/metrics/wording"
	"github.com/tlslift/tlslift/proxy/record"
)

// A problem is a reason with the clients that fail because of it, and one remedy for all.
type problem struct {
	reasonText
	// Link leads to the clients; empty for a reason of another version of tlslift.
	Link                       string
	Clients, Unsolved, Failing int
	Last                       wording.Moment
	Names                      []named
	More                       int
}

// A named is a link to a client.
type named struct{ Name, Link string }

// reasonLink returns the page of the clients that had a reason last; empty if the table of
// reasons does not have it.
func reasonLink(r record.Reason) string {
	if r.Cause() == "" {
		return ""
	}
	return "/?" + url.Values{"reason": {string(r)}}.Encode()
}

// problemsOf returns the reasons by which clients fail or were failing, and apart from them
// those after which all clients had a success.
func problemsOf(all []inventory.Client, now time.Time) (problems, solved []problem) {
	for _, p := range summary.Problems(all, now) {
		shown := problem{
			reasonText: reasonTextOf(p.Reason, p.Fault, p.Cause, p.Remedy), Link: reasonLink(p.Reason),
			Clients: p.Clients, Unsolved: p.Unsolved, Failing: p.Failing, Last: p.Last, More: p.More,
		}
		for _, name := range p.Names {
			shown.Names = append(shown.Names, named{wording.Shown(name), clientLink(name)})
		}
		if p.Unsolved > 0 {
			problems = append(problems, shown)
		} else {
			solved = append(solved, shown)
		}
	}
	return problems, solved
}

// A version is how many clients offer a version of TLS as their newest.
type version struct {
	summary.Group

	Link string // to these clients; empty if the name is none that tlslift gives
}

// maxVersion is above all names of versions.
const maxVersion = 20

func versionsOf(all []inventory.Client, now time.Time) []version {
	var rows []version
	for _, g := range summary.Versions(all, now) {
		v := version{Group: g}
		if len(g.Name) <= maxVersion {
			v.Link = "/?" + url.Values{"version": {g.Name}}.Encode()
		}
		rows = append(rows, v)
	}
	return rows
}

// A quiet is a silent client.
type quiet struct {
	named

	Last  wording.Moment
	Usual string
}

func silentOf(all []inventory.Client, now time.Time) (rows []quiet, more int) {
	found, more := summary.Silent(all, now)
	for _, c := range found {
		rows = append(rows, quiet{named{wording.Shown(c.Client), clientLink(c.Client)}, c.Last, c.Usual})
	}
	return rows, more
}
