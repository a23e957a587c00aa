package relay

import (
	"net"

	"golang.org/x/sys/unix"
)

// tcpClosed is the state of a socket that was reset (include/net/tcp_states.h).
const tcpClosed = 7

// isDead reports whether the kernel has given up a TCP connection.
func isDead(conn net.Conn) bool {
	info := tcpInfo(conn)
	return info != nil && info.State == tcpClosed
}

// tcpInfo returns what the kernel knows of a TCP connection; nil for others.
func tcpInfo(conn net.Conn) (info *unix.TCPInfo) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		info, _ = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	return info
}
