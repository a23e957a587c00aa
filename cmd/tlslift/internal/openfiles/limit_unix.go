//go:build unix

package openfiles

import "syscall"

// limit returns how many files this process may open. Go has raised the soft limit to the
// hard one when the process began.
func limit() (files uint64, known bool) {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0, false
	}
	return uint64(l.Cur), true //nolint:unconvert // it is signed on FreeBSD
}
