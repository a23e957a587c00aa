// Package memorylimit tells Go's runtime how much memory there is, where a container or a
// systemd unit has less than the machine. Then it collects garbage earlier, and the kernel
// does not kill the process for memory that nobody needs.
package memorylimit

import (
	"log/slog"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// Set makes nine tenths of the memory limit of the control group that of the runtime. The
// environment variable GOMEMLIMIT goes first. Without a limit, and without control groups,
// nothing changes.
func Set(log *slog.Logger) { set(log, memlimit.FromCgroup) }

func set(log *slog.Logger, limitOf memlimit.Provider) {
	const all = 1<<63 - 1
	limit, err := memlimit.Set(memlimit.WithProvider(limitOf), memlimit.WithRatio(0.9))
	switch {
	case err != nil: // as where there is no /proc: the runtime's own limit stays
		log.Debug("the memory limit of the control group is not known", "error", err)
	case limit < all:
		log.Debug("the memory limit of the runtime is in force", "bytes", limit)
	}
}
