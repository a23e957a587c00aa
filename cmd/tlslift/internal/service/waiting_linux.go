package service

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// waitingConnections reports whether connections wait at a listening socket.
func waitingConnections(socket syscall.Conn) bool {
	if socket == nil {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	var info *unix.TCPInfo
	if err := raw.Control(func(fd uintptr) { info, _ = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil {
		return false
	}
	return info != nil && info.Unacked > 0 // of a listening socket: its queue
}
