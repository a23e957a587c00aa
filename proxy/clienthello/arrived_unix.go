//go:build unix

package clienthello

import "golang.org/x/sys/unix"

// canRead reports whether bytes, the end or an error wait in a socket, and whether that is
// known. It takes none of them away: to peek at a byte would take an error of the socket, and
// a client that has reset its connection would then seem to have ended it.
func canRead(fd uintptr) (can, known bool) {
	asked := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // a descriptor is small
	n, err := unix.Poll(asked, 0)
	return n > 0 && err == nil, true
}
