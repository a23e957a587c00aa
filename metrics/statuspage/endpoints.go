package statuspage

import (
	"fmt"
	"time"

	"github.com/tlslift/tlslift/metrics/wording"
)

// Endpoints describes the list of Microsoft 365's hosts that is in use.
type Endpoints struct {
	// Instance is the cloud that the list is for, for example "worldwide".
	Instance string
	// List is the version of the list, for example "built in, published 2026-08-14".
	List string
	// Checked is when it was last confirmed to be the newest one; zero if never.
	Checked time.Time
	// Refreshed means that Microsoft is asked for newer ones.
	Refreshed bool
	// Patterns are the host patterns that clients may reach on port 443, as in
	// "*.sharepoint.com".
	Patterns []string
}

// An endpointsView is the list of hosts on a page.
type endpointsView struct {
	Instance, List string
	Checked        wording.Moment
	Refreshed      bool
	Hint           string
}

func (e Endpoints) view(now time.Time) endpointsView {
	v := endpointsView{Instance: e.Instance, List: wording.Shown(e.List), Checked: wording.At(e.Checked, now), Refreshed: e.Refreshed}
	switch age := now.Sub(e.Checked); {
	case e.Instance == "":
	case !e.Refreshed:
		v.Hint = "It is not refreshed; TLSLIFT_M365_REFRESH=true keeps it current."
	case !e.Checked.IsZero() && age > 2*day:
		v.Hint = fmt.Sprintf("It could not be refreshed for %s: see the log.", wording.Plural(int(age/day), "day"))
	}
	return v
}
