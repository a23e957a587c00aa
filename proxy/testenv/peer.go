package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Missing skips the test for want of something, such as a real peer, or fails it
// with TLSLIFT_TEST_PEERS=required.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("TLSLIFT_TEST_PEERS") == "required" {
		t.Fatalf("%s, and TLSLIFT_TEST_PEERS=required", what)
	}
	t.Skip(what)
}

// Need ends the test by Missing unless all real peers are there: programs, or
// files by their whole path.
func Need(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if filepath.IsAbs(name) {
			if _, err := os.Stat(name); err == nil {
				continue
			}
		}
		Missing(t, name+" is not installed; .ci/run installs it")
	}
}

// NeedRoot ends the test by Missing unless root runs it.
func NeedRoot(t testing.TB, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "only root can "+what)
	}
}
