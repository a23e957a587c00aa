package gcpace

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// now returns the percentage in force.
func now() int {
	percent := debug.SetGCPercent(usual)
	debug.SetGCPercent(percent)
	return percent
}

func TestPercentOf(t *testing.T) {
	const mib = 1 << 20
	for _, tc := range []struct {
		name        string
		live, roots uint64
		want        int
	}{
		{"nothing is known", 0, 0, most},
		{"an empty heap", mib, 100 << 10, most},
		{"a quarter of the floor", 4 * mib, 0, 300},
		{"the same with many stacks", 4 * mib, 4 * mib, 150},
		{"half of the floor", 8 * mib, 0, usual},
		{"the floor", 16 * mib, 0, usual},
		{"more", 500 * mib, 50 * mib, usual},
	} {
		if got := percentOf(tc.live, tc.roots); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
		if tc.live+(tc.live+tc.roots)*uint64(percentOf(tc.live, tc.roots))/100 > max(floor, 2*tc.live+tc.roots)+most*mib/100 {
			t.Errorf("%s: the heap may be larger than the floor and than without", tc.name)
		}
	}
}

// A heap that has grown is collected as usual, and one that has shrunk is left to grow.
func TestPaceFollowsHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	before := now()
	p := Start()
	if got := now(); got != most {
		t.Errorf("in the beginning it is %d, want %d", got, most)
	}
	kept := make([]byte, 4*floor)
	p.collect()
	if got := now(); got != usual {
		t.Errorf("with a large heap it is %d, want %d", got, usual)
	}
	runtime.KeepAlive(kept)
	p.collect()
	if got := now(); got <= usual {
		t.Errorf("with a small heap it is %d again, want more than %d", got, usual)
	}
	p.Stop()
	if got := now(); got != before {
		t.Errorf("after the end it is %d, want %d as before", got, before)
	}
}

// collect collects garbage, and adapts the pace.
func (p *Pace) collect() {
	runtime.GC()
	p.collected()
}

// What the operator has set is in force.
func TestPaceLeavesGOGC(t *testing.T) {
	t.Setenv("GOGC", "50")
	before := now()
	p := Start()
	defer p.Stop()
	if p != nil || now() != before {
		t.Errorf("GOGC is set, and the percentage is %d, not %d", now(), before)
	}
}
