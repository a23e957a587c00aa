//go:build unix

package atomicfile

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// childPath names the file that a second process of this test writes to.
const childPath = "TLSLIFT_TEST_FULL_DISK"

// A disk that takes only a part of the content leaves the content before. The
// limit that stands for the disk is the whole process's, so this is a second one.
func TestReplaceOnAFullDisk(t *testing.T) {
	if path := os.Getenv(childPath); path != "" {
		replaceBeyondLimit(t, path)
		return
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "some.json")
	if err := Replace(path, []byte("good")); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestReplaceOnAFullDisk$")
	child.Env = append(os.Environ(), childPath+"="+path)
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v, %s", err, out)
	}
	want(t, path, "good", 0o600)
}

func replaceBeyondLimit(t *testing.T, path string) {
	const room = 64 << 10
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: room, Max: room}); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, bytes.Repeat([]byte("x"), 2*room)); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("got %v, want %v", err, syscall.EFBIG)
	}
}
