// Package openfiles says how many connections fit into the system's limit of open files.
package openfiles

import (
	"log/slog"

	"github.com/tlslift/tlslift/proxy/admission"
)

const (
	// perConnection is what a connection takes: the client's socket and the
	// destination's.
	perConnection = 2
	// reserve is for everything else: the pipes of passed connections, the admin
	// address, saved state, look-ups, and clients that read why they were refused. Of a
	// small limit it is at most half.
	reserve = 640
)

// A Room is how many connections fit into the system's limit of open files.
type Room struct {
	// Connections is how many may be open: as many as wanted, or what the limit permits.
	Connections int

	files, need uint64
	want        int
}

// Fit returns the room for so many connections. Balanced means that load balancers
// connect, whose connections may wait for a PROXY header too.
func Fit(want int, balanced bool) Room {
	files, known := limit()
	if !known {
		return Room{Connections: want, want: want}
	}
	return Room{Connections: fit(files, want, balanced), files: files, need: need(want, balanced), want: want}
}

// Warn logs that there is less room than was wanted, if that is so.
func (r Room) Warn(log *slog.Logger) {
	if r.Connections == r.want {
		return
	}
	log.Warn("the system's limit of open files is too low for TLSLIFT_MAX_CONNECTIONS, which is lowered",
		"open_files", r.files, "max_connections", r.want, "lowered_to", r.Connections, "needed", r.need,
		"remedy", "raise the limit (LimitNOFILE of the systemd unit, --ulimit nofile of the container, ulimit -n), or lower "+
			"TLSLIFT_MAX_CONNECTIONS")
}

// need returns how many open files so many connections need.
func need(connections int, balanced bool) uint64 {
	files := uint64(connections)*perConnection + reserve
	if balanced {
		files += uint64(admission.MaxAwaited(connections))
	}
	return files
}

// fit is Fit for a limit.
func fit(files uint64, want int, balanced bool) int {
	if need(want, balanced) <= files {
		return want
	}
	room := files - min(reserve, files/2)
	each := uint64(4 * perConnection) // for four connections
	if balanced {
		each++ // that of admission.MaxAwaited
	}
	return max(1, min(want, int(min(room*4/each, 1<<31-1))))
}
