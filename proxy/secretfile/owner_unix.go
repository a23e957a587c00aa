//go:build unix

package secretfile

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// nonBlock makes opening a FIFO return at once.
const nonBlock = syscall.O_NONBLOCK

func checkOwner(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&othersMayUse != 0 {
		return &AccessError{fmt.Sprintf("%s has mode %04o, so that others can get at the key; run: chmod 600 %s", path, mode, path)}
	}
	system, ok := info.Sys().(*syscall.Stat_t)
	if owner := os.Geteuid(); ok && system.Uid != 0 && int(system.Uid) != owner {
		return &AccessError{fmt.Sprintf("%s belongs to user %d, who can change it; run: chown %d %s", path, system.Uid, owner, path)}
	}
	return nil
}
