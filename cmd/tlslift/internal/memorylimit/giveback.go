package memorylimit

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// lookEvery is how often GiveBack looks.
	lookEvery = 500 * time.Millisecond
	// quietLooks is how many looks in a row must have found little: connections on which
	// nothing moves any more let go of what they have only after a while.
	quietLooks = 3
	// fewBytes is the most that is allocated in that time by a process that does little.
	fewBytes = 256 << 10
	// newBytes is the least that was allocated since the last time: what a hundred passed
	// connections need, whose stacks have several times of that.
	newBytes = 1 << 20
	// restLooks is how much later memory is given back once more: connections on which
	// nothing moves come to rest one after the other, for some seconds.
	restLooks = 10
	// unusedBytes is the least that it is worth while to give back.
	unusedBytes = 1 << 20
)

// GiveBack gives memory that is not used any more back to the system, until ctx ends. The
// runtime itself keeps as much as it uses, so that a rush of clients would cost twice what
// those need who stay. It collects garbage for that, and does so only while little is done.
func GiveBack(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var g giver
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if g.isDue(readUsage()) {
				debug.FreeOSMemory()
			}
		}
	}
}

// A giver knows what was before.
type giver struct {
	last, given uint64 // what had been allocated at the last look, and at the last time
	quiet       int    // looks in a row that have found little
	rest        int    // quiet looks until memory is given back once more; 0 for never
}

// A usage is what the runtime says.
type usage struct {
	allocated uint64 // bytes since the start
	live      uint64 // bytes that the last collection has found to be used
	held      uint64 // bytes of the heap, of the system's memory
}

// isDue reports whether memory is to be given back now.
func (g *giver) isDue(now usage) bool {
	if g.quiet++; now.allocated-g.last > fewBytes {
		g.quiet = 0
	}
	g.last = now.allocated
	if g.quiet < quietLooks {
		return false
	}
	if now.allocated-g.given >= newBytes && now.held >= now.live+max(unusedBytes, now.live/8) {
		g.given, g.rest = now.allocated, restLooks
		return true
	}
	if g.rest == 0 {
		return false
	}
	g.rest--
	return g.rest == 0
}

func readUsage() (u usage) {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	u.allocated, u.live = samples[0].Value.Uint64(), samples[1].Value.Uint64()
	for _, s := range samples[2:] {
		u.held += s.Value.Uint64()
	}
	return u
}
