// Package openfiles says how many connections fit into the system's limit of open files.
package openfiles

import (
	"log/slog"
	"sort"

	"github.com/tlslift/tlslift/proxy/admission"
)

// reserve is for everything but clients' connections and those to their destinations: 128
// for the pipes of passed connections, 320 for the admin and the public address, 32 for
// addresses that are dialled beside another one, and the rest for saved state and look-ups.
// Of a small limit it is at most half.
const reserve = 512

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
	return FitInto(files, want, balanced)
}

// FitInto is Fit for a limit of open files.
func FitInto(files uint64, want int, balanced bool) Room {
	return Room{Connections: fit(files, want, balanced), files: files, need: need(want, balanced) + reserve, want: want}
}

// Limit returns how many files this process may open; false where that has no limit.
func Limit() (files uint64, known bool) { return limit() }

// Needed returns how many open files the connections that were wanted need.
func (r Room) Needed() uint64 { return r.need }

// Remedy is what to do where there is less room than was wanted.
const Remedy = "raise the limit (LimitNOFILE of the systemd unit, --ulimit nofile of the container, ulimit -n), or lower " +
	"TLSLIFT_MAX_CONNECTIONS"

// Warn logs that there is less room than was wanted, if that is so.
func (r Room) Warn(log *slog.Logger) {
	if r.Connections == r.want {
		return
	}
	log.Warn("the system's limit of open files is too low for TLSLIFT_MAX_CONNECTIONS, which is lowered",
		"open_files", r.files, "max_connections", r.want, "lowered_to", r.Connections, "needed", r.need,
		"remedy", Remedy)
}

// need returns how many open files so many connections need, with those to their
// destinations.
func need(connections int, balanced bool) uint64 {
	return uint64(max(0, admission.MaxOpen(connections, balanced))) + uint64(max(0, connections))
}

// fit is Fit for a limit.
func fit(files uint64, want int, balanced bool) int {
	if need(want, balanced)+reserve <= files {
		return want
	}
	room := files - min(reserve, files/2)
	tooMany := sort.Search(want, func(n int) bool { return need(n, balanced) > room })
	return max(1, tooMany-1)
}
