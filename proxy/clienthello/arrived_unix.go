//go:build unix

package clienthello

import "golang.org/x/sys/unix"

// canRead reports whether bytes wait in a socket.
func canRead(fd uintptr) bool {
	n, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == nil && n > 0
}
