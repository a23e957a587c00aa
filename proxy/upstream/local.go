package upstream

import (
	"net"
	"net/netip"
	"slices"
)

// IsLocal reports whether addr is an address of this machine.
func IsLocal(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		ipNet, ok := a.(*net.IPNet)
		if !ok {
			return false
		}
		own, ok := netip.AddrFromSlice(ipNet.IP)
		return ok && own.Unmap() == addr
	})
}
