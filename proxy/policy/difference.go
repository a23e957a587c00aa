package policy

import (
	"fmt"
	"slices"
)

// maxDifference bounds what is said of a difference, which goes into one line
// of a log.
const maxDifference = 50

// Difference returns the endpoints that only one of two sets has, sorted, as
// pattern:ports. Of more than 50 the last element says how many are omitted.
func Difference(from, to []Endpoint) (added, removed []string) {
	return missing(to, from), missing(from, to)
}

// missing returns the endpoints of one set that the other does not have.
func missing(of, other []Endpoint) []string {
	has := make(map[string]bool, len(other))
	for _, e := range other {
		has[e.String()] = true
	}
	var all []string
	for _, e := range of {
		if s := e.String(); !has[s] {
			has[s] = true
			all = append(all, s)
		}
	}
	slices.Sort(all)
	if n := len(all) - maxDifference; n > 0 {
		all = append(all[:maxDifference], fmt.Sprintf("and %d more", n))
	}
	return all
}
