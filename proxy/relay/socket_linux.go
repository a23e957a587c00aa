package relay

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// asksKernel means that the kernel says what a peer has acknowledged, and moves bytes
// by itself.
const asksKernel = true

// traffic returns how many bytes a TCP connection has brought: those received, and
// those sent that the peer has acknowledged; and how many wait to be acknowledged.
func traffic(s *net.TCPConn) (arrived uint64, waiting int64) {
	onSocket(s, func(fd int) {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			arrived = info.Bytes_received + info.Bytes_acked
		}
		if n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ); err == nil {
			waiting = int64(n)
		}
	})
	return arrived, waiting
}

// owed returns how many bytes the peer of a TCP connection has acknowledged, and whether
// it owes more: bytes were sent for which it had room, or more than once the question
// whether there is room. One such question may be lost, and they become rare.
func owed(s *net.TCPConn) (acknowledged uint64, owes bool) {
	onSocket(s, func(fd int) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		waiting, failed := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		if err == nil && failed == nil {
			acknowledged = info.Bytes_acked
			owes = waiting > 0 && (info.Unacked > 0 && info.Snd_wnd > 0 || info.Probes > 1)
		}
	})
	return acknowledged, owes
}

// sent returns how many bytes a TCP connection has sent, acknowledged or not, and how
// many wait to be sent because the peer does not take more.
func sent(s *net.TCPConn) (sent, unsent uint64) {
	onSocket(s, func(fd int) {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			sent, unsent = info.Bytes_sent-info.Bytes_retrans, uint64(info.Notsent_bytes)
		}
	})
	return sent, unsent
}

// onSocket calls f with the descriptor of a TCP connection; not at all for nil.
func onSocket(s *net.TCPConn, f func(fd int)) {
	if s == nil {
		return
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { f(int(fd)) })
}

// hasLeft reports whether the peer of a TCP connection has gone: it has reset the
// connection, or it has closed its side and there is nothing to read but, in TLS, its
// close_notify.
func hasLeft(s *net.TCPConn) (left bool) {
	onSocket(s, func(fd int) {
		asked := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} //nolint:gosec // a descriptor is small
		if n, err := unix.Poll(asked, 0); err != nil || n == 0 {
			return
		}
		if asked[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
			left = true
			return
		}
		left = hasNothing(fd)
	})
	return left
}

// hasNothing reports whether there is nothing to read from a socket whose peer has closed its
// side. A reset counts, also one that came after the socket was asked for its state: this
// look takes the error away, and who reads later would take the reset for an end.
func hasNothing(fd int) bool {
	var waiting [maxAlert + 1]byte
	n, _, err := unix.Recvfrom(fd, waiting[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err != nil {
		return !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
	}
	return n == 0 || isAlert(waiting[:n])
}
