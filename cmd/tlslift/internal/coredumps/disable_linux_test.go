package coredumps

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// No core is made, be it a file or for a program that gets it through a pipe.
func TestNoCoreDumps(t *testing.T) {
	t.Parallel()
	Disable()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil || limit.Cur != 0 {
		t.Errorf("a core may have %d bytes (%v)", limit.Cur, err)
	}
	if is, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || is != 0 {
		t.Errorf("the process is dumpable: %d, %v", is, err)
	}
}
