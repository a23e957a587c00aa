package statuspage

import (
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
)

// A state is what an administrator wants to know first about a client. The worst is
// the first.
type state int

const (
	stateFailing state = iota
	stateLifted
	statePassed
	stateIdle
)

func stateOf(c *inventory.Client) state {
	switch {
	case c.Failing():
		return stateFailing
	case c.Legacy():
		return stateLifted
	case c.Outcomes[record.OutcomePassed] > 0 || c.Outcomes[record.OutcomeLifted] > 0:
		return statePassed
	}
	return stateIdle
}

// text is also the CSS class.
func (s state) text() string {
	return [...]string{"failing", "lifted", "passed", "idle"}[s]
}

// meaning is shown with the state.
func (s state) meaning() string {
	return [...]string{
		"its last connection had a problem",
		"needs tlslift to reach Microsoft 365",
		"can reach Microsoft 365 by itself",
		"was neither lifted nor passed yet",
	}[s]
}
