package upstream

import (
	"net"
	"net/netip"
	"slices"

	"github.com/tlslift/tlslift/proxy/netname"
)

// IsLocal reports whether addr is an address of this machine.
func IsLocal(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	return err == nil && isAmong(addrs, addr)
}

// isAmong reports whether a connection to addr ends at a machine whose interfaces have
// these addresses. Those of loopback are left to netname.Special.
func isAmong(own []net.Addr, addr netip.Addr) bool {
	addr = netname.Reached(addr)
	return slices.ContainsFunc(own, func(a net.Addr) bool {
		ipNet, ok := a.(*net.IPNet)
		if !ok {
			return false
		}
		ip, ok := netip.AddrFromSlice(ipNet.IP)
		return ok && !ip.IsLoopback() && (ip.Unmap() == addr || isRouterAnycast(ipNet, addr))
	})
}

// isRouterAnycast reports whether addr is the one at which every router of a network of
// IPv6 answers (RFC 4291 section 2.6.1). It is on no interface.
func isRouterAnycast(network *net.IPNet, addr netip.Addr) bool {
	bits, length := network.Mask.Size()
	if length != 8*net.IPv6len || bits > 126 || !addr.Is6() {
		return false
	}
	return addr.IsGlobalUnicast() && network.IP.Mask(network.Mask).Equal(addr.AsSlice())
}
