package subject

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Stop ends the children of a subject too, also those that do not care for SIGTERM.
func TestStopEndsChildren(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	if err := syscall.Mkfifo(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	r := &Running{ended: make(chan struct{}), logFile: filepath.Join(dir, "log")}
	if err := r.run(t.Context(), "/bin/sh", []string{"-c", "(trap '' TERM; echo >ready; sleep 600; sleep 600) & wait"}, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(ready); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	// What was killed may still be a zombie whose new parent has not waited for it yet.
	if left := alive(t, r.PID); len(left) > 0 {
		t.Errorf("there are left: %q", left)
	}
}

// alive returns the processes of a group that are no zombies.
func alive(t *testing.T, group int) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		f := strings.Fields(rest)
		pgid, err := syscall.Getpgid(atoi(strings.Fields(string(data))[0]))
		if err == nil && pgid == group && f[0] != "Z" {
			left = append(left, string(data))
		}
	}
	return left
}

func atoi(s string) int {
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}

// A subject that ends at once says why.
func TestEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := Subject{ID: "x", path: "/bin/sh", kind: kind{
		id: "x", args: []string{"-c", "echo unknown keyword >&2; exit 1"}, configs: byMode{{Lift, "haproxy-lift.cfg"}},
	}}
	if _, err := s.Start(t.Context(), Lift, "127.0.0.1:1", t.TempDir()); err == nil || !strings.Contains(err.Error(), "unknown keyword") {
		t.Errorf("%v", err)
	}
}
