package statuspage

import (
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
)

// A state is what an administrator wants to know first about a client. The worst is
// the first.
type state int

const (
	stateFailing state = iota
	stateWasFailing
	stateLifted
	statePassed
	stateIdle
)

func stateOf(c *inventory.Client, now time.Time) state {
	switch {
	case c.Failing(now):
		return stateFailing
	case c.Unsolved():
		return stateWasFailing
	case c.Legacy():
		return stateLifted
	case c.Outcomes[record.OutcomePassed] > 0 || c.Outcomes[record.OutcomeLifted] > 0:
		return statePassed
	}
	return stateIdle
}

// text is what the API says, and the CSS class.
func (s state) text() string {
	return [...]string{"failing", "was_failing", "lifted", "passed", "idle"}[s]
}

// title is what the page says.
func (s state) title() string {
	return [...]string{"Failing", "Was failing", "Needs lifting", "Passes", "Idle"}[s]
}

// meaning is shown with the state.
func (s state) meaning() string {
	return [...]string{
		"its last connection had a problem",
		"its last connection had a problem, and it has not tried again for a day",
		"needs tlslift to reach Microsoft 365",
		"can reach Microsoft 365 by itself",
		"was neither lifted nor passed yet",
	}[s]
}
