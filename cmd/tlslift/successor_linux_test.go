package main

import (
	"os"
	"syscall"
	"testing"
)

// stopSuccessor stops the process that has taken over from a child.
func stopSuccessor(t *testing.T, pid int) {
	t.Helper()
	if pid <= 1 { // for kill(2) those are not single processes
		t.Fatalf("%d is no successor", pid)
	}
	next, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}
