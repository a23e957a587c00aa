//go:build !linux

package relay

import "net"

// asksKernel means that the kernel says what a peer has acknowledged.
const asksKernel = false

// traffic returns what a TCP connection has brought, where the kernel can be asked.
func traffic(*net.TCPConn) (arrived uint64, waiting int64) { return 0, 0 }

// owed returns what a peer owes, where the kernel can be asked.
func owed(*net.TCPConn) (acknowledged uint64, owes bool) { return 0, false }

// sent returns what a TCP connection has sent, where the kernel can be asked.
func sent(*net.TCPConn) (sent, unsent uint64) { return 0, 0 }

// hasLeft reports whether the peer of a TCP connection has gone, where the kernel can be
// asked.
func hasLeft(*net.TCPConn) bool { return false }
