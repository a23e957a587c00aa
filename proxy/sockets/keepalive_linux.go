package sockets

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// keepAlive is how long a client may be silent before the kernel asks whether it is still
// there, and how long it waits before it asks again; keepAliveProbes is how often it asks
// in vain. These are the values of Go.
const (
	keepAlive       = 15 * time.Second
	keepAliveProbes = 9
)

// inheritKeepAlive sets keep-alive on the socket that listens, from which the kernel copies
// it to each connection: package net would set it with four system calls for each.
func inheritKeepAlive(lc *net.ListenConfig) {
	// The options of a Multipath TCP socket are not copied by every kernel.
	lc.SetMultipathTCP(false)
	lc.KeepAlive = -1
	before := lc.Control
	lc.Control = func(network, address string, raw syscall.RawConn) error {
		if before != nil {
			if err := before(network, address, raw); err != nil {
				return err
			}
		}
		return raw.Control(setKeepAlive)
	}
}

// setKeepAlive does what package net does, which does not mind either where it cannot be
// done.
func setKeepAlive(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAlive.Seconds()))
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAlive.Seconds()))
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveProbes)
}
