package memorylimit

import (
	"errors"
	"log/slog"
	"math"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

func TestSet(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	log := slog.New(slog.DiscardHandler)
	for _, tc := range []struct {
		name  string
		limit uint64
		err   error
		want  int64
	}{
		{"a container with 100 MB", 100e6, nil, 90e6},
		{"no limit", 0, memlimit.ErrNoLimit, math.MaxInt64},
		{"no control groups", 0, errors.New("no /proc"), math.MaxInt64},
	} {
		debug.SetMemoryLimit(math.MaxInt64)
		set(log, func() (uint64, error) { return tc.limit, tc.err })
		if got := debug.SetMemoryLimit(-1); got != tc.want {
			t.Errorf("%s: the limit is %d, want %d", tc.name, got, tc.want)
		}
	}
	t.Setenv("GOMEMLIMIT", "50MiB")
	debug.SetMemoryLimit(50 << 20)
	Set(log)
	if got := debug.SetMemoryLimit(-1); got != 50<<20 {
		t.Errorf("with GOMEMLIMIT the limit is %d", got)
	}
}
