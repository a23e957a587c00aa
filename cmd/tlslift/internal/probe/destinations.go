package probe

import (
	"cmp"
	"slices"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
)

const (
	// maxDestinations bounds the destinations: clients may name many hosts of a pattern.
	maxDestinations = 50
	// inUse is how long a destination of a client is in use after that has come.
	inUse = 7 * 24 * time.Hour
)

// An Allowed is what clients may reach.
type Allowed interface {
	Allows(policy.Destination) bool
	// Mail returns where listeners without a destination bring mail.
	Mail() m365.Mail
}

// Destinations returns the destinations in use at a time: those that the listeners have, and
// then those of clients that have needed to be lifted in the last week, the ones of most
// clients first. What clients may not reach is left out.
func Destinations(
	listeners []listener.URL, clients []inventory.Client, allowed Allowed, now time.Time,
) []policy.Destination {
	var found []policy.Destination
	add := func(to policy.Destination) {
		if len(found) < maxDestinations && !slices.Contains(found, to) && allowed.Allows(to) {
			found = append(found, to)
		}
	}
	for _, l := range listeners {
		if to := cmp.Or(l.To, allowed.Mail().Of(l.Scheme.Mail())); to != (policy.Destination{}) {
			add(to)
		}
	}
	counts := map[string]int{}
	for _, c := range clients {
		if now.Sub(c.LastLegacy) > inUse {
			continue
		}
		for _, to := range c.Destinations {
			counts[to]++
		}
	}
	for _, name := range byCount(counts) {
		if to, err := policy.ParseDestination(name); err == nil {
			add(to)
		}
	}
	return found
}

// byCount returns the names, the most frequent ones first.
func byCount(counts map[string]int) []string {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
	return names
}
