package origdst

import (
	"net"
	"net/netip"
)

// Of returns where a connection was going. With TPROXY that is the address on which it was
// accepted; otherwise Redirected knows it.
func Of(conn net.Conn, isTPROXY bool) (netip.AddrPort, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return netip.AddrPort{}, ErrNotRedirected
	}
	local, ok := tcp.LocalAddr().(*net.TCPAddr)
	if !ok || !isTPROXY {
		return Redirected(tcp)
	}
	to := local.AddrPort()
	return netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), nil
}
