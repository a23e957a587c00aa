package memorylimit

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

// Memory is given back once after much was done, and only when little is done for a while.
func TestIsDue(t *testing.T) {
	const mib = 1 << 20
	var g giver
	for i, step := range []struct {
		now   usage
		looks int // that are made until it is or is not due
		want  bool
	}{
		{usage{allocated: 40 * mib, live: 10 * mib, held: 30 * mib}, quietLooks, false},         // busy until now
		{usage{allocated: 40*mib + 1000, live: 10 * mib, held: 30 * mib}, 1, true},              // quiet
		{usage{allocated: 40*mib + 2000, live: 10 * mib, held: 11 * mib}, restLooks - 1, false}, // not at rest yet
		{usage{allocated: 40*mib + 3000, live: 10 * mib, held: 11 * mib}, 1, true},              // connections are at rest
		{usage{allocated: 40*mib + 4000, live: 10 * mib, held: 30 * mib}, 3 * restLooks, false}, // nothing new
		{usage{allocated: 41*mib - 1, live: 10 * mib, held: 14 * mib}, 3 * quietLooks, false},   // not enough of it
		{usage{allocated: 90 * mib, live: 80 * mib, held: 85 * mib}, 3 * quietLooks, false},     // nearly all is used
		{usage{allocated: 90*mib + 2000, live: 80 * mib, held: 100 * mib}, 1, true},             // more is not
		{usage{allocated: 90*mib + 2000, live: 80 * mib, held: 81 * mib}, restLooks, true},      // once more
		{usage{allocated: 190 * mib, live: 80 * mib, held: 80*mib - 1}, 3 * quietLooks, false},  // less than a moment ago
		{usage{allocated: 191 * mib, live: 80 * mib, held: 100 * mib}, quietLooks, false},
		{usage{allocated: 192 * mib, live: 80 * mib, held: 100 * mib}, quietLooks, false}, // busy again in between
	} {
		got := false
		for range step.looks {
			if got {
				t.Errorf("step %d: too early", i)
			}
			got = g.isDue(step.now)
		}
		if got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

// It does go back to the system, and the end of the context ends it.
func TestGiveBack(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	kept = make([]byte, 64<<20)
	for i := 0; i < len(kept); i += 1 << 12 {
		kept[i] = 1
	}
	runtime.KeepAlive(kept)
	kept = nil
	before := readUsage().held
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), (quietLooks+2)*lookEvery+time.Millisecond)
		defer cancel()
		GiveBack(ctx)
	})
	if after := readUsage().held; after+60<<20 > before {
		t.Errorf("%d bytes of the heap were held, now %d", before, after)
	}
}

var kept []byte
