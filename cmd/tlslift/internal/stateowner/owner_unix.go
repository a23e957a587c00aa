//go:build unix

package stateowner

import (
	"io/fs"
	"syscall"
)

// nonBlock makes opening a FIFO return at once.
const nonBlock = syscall.O_NONBLOCK

// ownerOf returns whom a file belongs to; false where that is not known.
func ownerOf(info fs.FileInfo) (owner, bool) {
	sys, is := info.Sys().(*syscall.Stat_t)
	if !is {
		return owner{}, false
	}
	return owner{user: int(sys.Uid), group: int(sys.Gid), links: uint64(sys.Nlink)}, true
}
