//go:build !linux

package standby

import "net"

// A Lot waits for many TCP connections. On this system it takes none.
type Lot struct{}

// Take takes none.
func (*Lot) Take(*net.TCPConn, func()) (spot uint64, ok bool) { return 0, false }

// Leave is not called.
func (*Lot) Leave(*net.TCPConn, uint64) bool { return false }
