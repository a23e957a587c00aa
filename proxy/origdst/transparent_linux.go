package origdst

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// MakeTransparent makes a listener that somebody else has opened one for TPROXY rules,
// unless it is one already (Transparent=yes in a .socket unit of systemd). That needs
// CAP_NET_ADMIN.
func MakeTransparent(ln net.Listener) error {
	socket, ok := ln.(syscall.Conn)
	if !ok {
		return ErrUnsupported
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	network := "tcp"
	if own, ok := ln.Addr().(*net.TCPAddr); ok && own.IP.To4() != nil {
		network = "tcp4"
	}
	return control(raw, func(fd int) error {
		if is, err := unix.GetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT); err == nil && is != 0 {
			return nil
		}
		return setTransparent(fd, network)
	})
}
