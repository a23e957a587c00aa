package statuspage

import (
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/probes"
	"github.com/tlslift/tlslift/metrics/wording"
)

// maxReached bounds how many of the destinations that can be reached are listed.
const maxReached = 10

// A probesView is what the last probes found, on the status page.
type probesView struct {
	Rows []probeRow
	More int            // further destinations, which can be reached
	Last wording.Moment // of the last probe
}

// A probeRow is a destination that is probed; one that can be reached has no reason.
type probeRow struct {
	reasonText

	Name  string
	Since wording.Moment
}

// probesViewOf returns the destinations that cannot be reached, and then others.
func probesViewOf(all []probes.Probe, now time.Time) probesView {
	var v probesView
	var last time.Time
	var reached []probeRow
	byName := func(a, b probes.Probe) int { return strings.Compare(a.Destination, b.Destination) }
	for _, p := range slices.SortedFunc(slices.Values(all), byName) {
		r := probeRow{Name: wording.Shown(p.Destination), Since: wording.At(p.Since, now)}
		if p.At.After(last) {
			last = p.At
		}
		if p.Reason == "" {
			reached = append(reached, r)
			continue
		}
		r.reasonText = reasonTextOf(p.Reason, p.Reason.Fault(), p.Reason.Cause(), p.Reason.Remedy())
		v.Rows = append(v.Rows, r)
	}
	shown := min(len(reached), maxReached)
	v.Rows, v.More, v.Last = append(v.Rows, reached[:shown]...), len(reached)-shown, wording.At(last, now)
	return v
}
