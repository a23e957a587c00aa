//go:build unix

package testenv

import (
	"os"
	"syscall"
	"testing"
)

// Owner returns the number of the user whom a file belongs to; -1, after a failure of the
// test, if there is no such file.
func Owner(t testing.TB, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Error(err)
		return -1
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
