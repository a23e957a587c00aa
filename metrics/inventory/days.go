package inventory

import (
	"time"

	"github.com/tlslift/tlslift/metrics/burndown"
)

// countEvery is how often the clients that need lifting are counted.
const countEvery = time.Hour

// Days returns the counts of each of the last days, the oldest first.
func (v *Inventory) Days() []burndown.Day {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.days.Days()
}

// countDay counts the clients that need lifting, if it is time for that: once an hour, and
// at the first moment of a day. Without clients there is nothing to count.
func countDay(v *Inventory, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	sameDay := burndown.DateOf(now) == burndown.DateOf(v.counted)
	if since := now.Sub(v.counted); sameDay && since >= 0 && since < countEvery || len(v.clients.byKey) == 0 {
		return
	}
	v.counted = now
	needing := 0
	for _, e := range v.clients.byKey {
		if e.client.NeedsLifting(now) {
			needing++
		}
	}
	first := v.days.SetNeeding(now, needing)
	v.minor, v.unsaved = true, v.unsaved || first && needing > 0 // untrusted clients cause no writes
}
