//go:build unix

package clienthello

import "golang.org/x/sys/unix"

// canRead reports whether bytes, or the end, wait in a socket, and whether that is known.
func canRead(fd uintptr) (can, known bool) {
	_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err != unix.EAGAIN && err != unix.EINTR, true
}
