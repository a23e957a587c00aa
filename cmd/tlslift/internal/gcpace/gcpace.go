// Package gcpace lets Go's runtime collect garbage less often while there is little of it.
// Package memorylimit gives the memory back when nothing happens any more.
//
// Left alone, the runtime collects each 4 MiB as long as the live heap is small. A busy
// tlslift fills that many times in a second. It never makes the heap of a busy tlslift
// larger than it would be without, once there is as much on it as the floor: a memory limit
// of the runtime goes first, and so does the environment variable GOGC.
package gcpace

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// floor is the size of heap at which garbage is collected at the earliest.
	floor = 16 << 20
	// usual is the percentage of a runtime that is left alone, and most what the floor needs
	// when the heap is empty: it is the percentage of 4 MiB.
	usual, most = 100, 400
	// step is the least difference for which the percentage is changed, which stops all
	// goroutines for a moment.
	step = 25
)

// A Pace sets how often garbage is collected, until it is stopped.
type Pace struct {
	mu      sync.Mutex
	percent int
	before  int // the percentage in the beginning
	stopped bool
}

// Start begins to set the pace; nil if the environment variable GOGC does.
func Start() *Pace {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	p := &Pace{percent: most}
	p.before = debug.SetGCPercent(most)
	watch(p)
	return p
}

// Stop leaves the runtime alone again.
func (p *Pace) Stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	debug.SetGCPercent(p.before)
}

// A sentinel is garbage, so that its end tells of the end of a collection.
type sentinel struct{ _ [32]byte }

// watch calls collected after the next collection.
func watch(p *Pace) { runtime.AddCleanup(&sentinel{}, (*Pace).collected, p) }

// collected adapts the percentage to what is live after a collection.
func (p *Pace) collected() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	watch(p)
	now := read()
	if want := percentOf(now.live, now.roots); want >= p.percent+step || want <= p.percent-step || want == usual && p.percent != usual {
		p.percent = want
		debug.SetGCPercent(want)
	}
}

// percentOf returns the percentage with which the next collection is at the floor, or at
// twice of what is live. Roots are scanned beside the heap, and count like it.
func percentOf(live, roots uint64) int {
	if live >= floor {
		return usual
	}
	return int(min(max((floor-live)*100/max(live+roots, 1), usual), most))
}

// A reading is what the runtime says of its memory, in bytes.
type reading struct {
	live  uint64 // of the heap, at the last collection
	roots uint64 // stacks and variables
}

func read() reading {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}
	metrics.Read(samples)
	number := func(i int) uint64 {
		if samples[i].Value.Kind() != metrics.KindUint64 { // no such metric
			return 0
		}
		return samples[i].Value.Uint64()
	}
	return reading{number(0), number(1) + number(2)}
}
