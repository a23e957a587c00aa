package origdst

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ip6tSOOriginalDst is IP6T_SO_ORIGINAL_DST of linux/netfilter_ipv6/ip6_tables.h.
const ip6tSOOriginalDst = 80

// Redirected returns where a connection was going before a REDIRECT or DNAT
// rule of this machine brought it here. Without such a rule the error is
// ErrNotRedirected, or the address is the one that conn was accepted on: that
// depends on whether the kernel tracks connections at all.
func Redirected(conn *net.TCPConn) (netip.AddrPort, error) {
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, ErrNotRedirected
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("asking for the original destination: %w", err)
	}
	var to netip.AddrPort
	var asked error
	err = raw.Control(func(fd uintptr) {
		// An IPv4 connection to a socket of both families is one for netfilter.
		if local.AddrPort().Addr().Unmap().Is4() {
			to, asked = redirected4(int(fd))
		} else {
			to, asked = redirected6(int(fd))
		}
	})
	if err = errors.Join(err, asked); err != nil {
		return netip.AddrPort{}, notRedirected(err)
	}
	return to, nil
}

// redirected4 reads a sockaddr_in. What x/sys has no function for fits one for
// another option whose value is a little longer, and starts with bytes only.
func redirected4(fd int) (netip.AddrPort, error) {
	value, err := unix.GetsockoptIPv6Mreq(fd, unix.SOL_IP, unix.SO_ORIGINAL_DST)
	if err != nil {
		return netip.AddrPort{}, err
	}
	name := value.Multiaddr
	port := binary.BigEndian.Uint16(name[2:4])
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(name[4:8])), port), nil
}

// redirected6 reads a sockaddr_in6, with which the value of another option
// begins.
func redirected6(fd int) (netip.AddrPort, error) {
	value, err := unix.GetsockoptIPv6MTUInfo(fd, unix.SOL_IPV6, ip6tSOOriginalDst)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var port [2]byte
	binary.NativeEndian.PutUint16(port[:], value.Addr.Port)
	return netip.AddrPortFrom(netip.AddrFrom16(value.Addr.Addr), binary.BigEndian.Uint16(port[:])), nil
}

// notRedirected recognises a connection that netfilter does not have, or a kernel
// that has no netfilter, from other errors.
func notRedirected(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOPROTOOPT) || errors.Is(err, unix.EOPNOTSUPP) {
		return ErrNotRedirected
	}
	return fmt.Errorf("asking for the original destination: %w", err)
}

// Listen returns how a listener of redirected connections is opened; with
// transparent set, one for TPROXY rules, which needs CAP_NET_ADMIN.
// An accepted connection of such a listener has the original destination as its
// local address.
func Listen(transparent bool) (*net.ListenConfig, error) {
	lc := &net.ListenConfig{}
	// SO_ORIGINAL_DST is not one of the options of a Multipath TCP socket.
	lc.SetMultipathTCP(false)
	if transparent {
		lc.Control = func(network, _ string, raw syscall.RawConn) error {
			return control(raw, func(fd int) error { return setTransparent(fd, network) })
		}
	}
	return lc, nil
}

func setTransparent(fd int, network string) error {
	if err := setsockopt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1); err != nil {
		return err
	}
	if network == "tcp4" {
		return nil
	}
	return setsockopt(fd, unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
}

// Mark sets a socket's firewall mark, which needs CAP_NET_ADMIN. The value 0 is
// the mark that every socket has.
func Mark(raw syscall.RawConn, mark uint32) error {
	return control(raw, func(fd int) error {
		return setsockopt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark))
	})
}

// CanMark reports whether sockets can be marked, by marking one. The error is
// that of the system.
func CanMark(mark uint32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer func() { _ = unix.Close(fd) }()
	return setsockopt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark))
}

func setsockopt(fd, level, option, value int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, value))
}

func control(raw syscall.RawConn, do func(fd int) error) error {
	var done error
	err := raw.Control(func(fd uintptr) { done = do(int(fd)) })
	return errors.Join(err, done)
}
