// Package summary has what an administrator wants to know of many clients at once: which
// state each is in, how many need tlslift, what fails and why, and when tlslift can be
// switched off.
//
// It looks at clients and keeps nothing.
package summary

import (
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
)

// A State is what an administrator wants to know first about a client. The worst is
// the first.
type State int

// The states.
const (
	Failing State = iota
	WasFailing
	Lifted
	Passed
	Idle
)

// StateOf returns the state of a client.
func StateOf(c *inventory.Client, now time.Time) State {
	switch {
	case c.Failing(now):
		return Failing
	case c.Unsolved():
		return WasFailing
	case c.Legacy():
		return Lifted
	case c.Outcomes[record.OutcomePassed] > 0 || c.Outcomes[record.OutcomeLifted] > 0:
		return Passed
	}
	return Idle
}

// Text returns the word of the API, which is the CSS class too.
func (s State) Text() string {
	return [...]string{"failing", "was_failing", "lifted", "passed", "idle"}[s]
}

// Title returns the words of the page.
func (s State) Title() string {
	return [...]string{"Failing", "Was failing", "Needs lifting", "Passes", "Idle"}[s]
}

// Meaning is shown with the state.
func (s State) Meaning() string {
	return [...]string{
		"its last connection had a problem",
		"its last connection had a problem, and it has not tried again for a day",
		"needs tlslift to reach Microsoft 365",
		"can reach Microsoft 365 by itself",
		"was neither lifted nor passed yet",
	}[s]
}
