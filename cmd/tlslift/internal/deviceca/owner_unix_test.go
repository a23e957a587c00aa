//go:build unix

package deviceca

import (
	"os"
	"syscall"
	"testing"
)

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Error(err)
		return -1
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
