//go:build unix

package secretfile

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// nonBlock makes opening a FIFO return at once.
const nonBlock = syscall.O_NONBLOCK

// errNoDevice is the error of opening a socket.
const errNoDevice = syscall.ENXIO

// checkMode holds a file to a mode without the forbidden permissions.
func checkMode(path string, info fs.FileInfo, forbidden fs.FileMode) error {
	if mode := info.Mode().Perm(); mode&forbidden != 0 {
		return &AccessError{path, fmt.Sprintf("has mode %04o, so that others can %s it", mode, deed(forbidden)), remedy(forbidden)}
	}
	return nil
}

// checkOwner holds a file to its mode and its owner, who is root or the user that runs
// tlslift.
func checkOwner(path string, info fs.FileInfo, forbidden fs.FileMode) error {
	if err := checkMode(path, info, forbidden); err != nil {
		return err
	}
	system, ok := info.Sys().(*syscall.Stat_t)
	if owner := os.Geteuid(); ok && system.Uid != 0 && int(system.Uid) != owner {
		return &AccessError{path, fmt.Sprintf("belongs to user %d, who can change it", system.Uid), fmt.Sprintf("chown %d", owner)}
	}
	return nil
}

func deed(forbidden fs.FileMode) string {
	if forbidden&0o044 == 0 {
		return "change"
	}
	return "read or change"
}

func remedy(forbidden fs.FileMode) string {
	if forbidden&0o044 == 0 {
		return "chmod go-w"
	}
	return "chmod 600"
}

// isOwnGroup reports whether the group of a file is one of this process.
func isOwnGroup(info fs.FileInfo) bool {
	system, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	groups, _ := os.Getgroups() // without them there is still the effective one
	return int(system.Gid) == os.Getegid() || slices.Contains(groups, int(system.Gid))
}
