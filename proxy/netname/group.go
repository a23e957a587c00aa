package netname

import "net/netip"

// DefaultGroupBits is how many bits of an IPv6 address all addresses of one host or one
// network share (RFC 4291 section 2.5.1): a host may take any number of addresses below
// them.
const DefaultGroupBits = 64

// loopback is one host, whatever address it takes.
var loopback = netip.MustParsePrefix("127.0.0.0/8")

// Group returns the network whose addresses count as one client in limits: of IPv6 so
// many bits, the whole of 127.0.0.0/8, and any other IPv4 address by itself. Zero bits
// mean DefaultGroupBits. It is invalid for an invalid address.
func Group(addr netip.Addr, bits int) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	switch {
	case loopback.Contains(addr):
		return loopback
	case addr.Is4():
		bits = addr.BitLen()
	case bits <= 0:
		bits = DefaultGroupBits
	}
	group, _ := addr.Prefix(min(bits, addr.BitLen())) // fails only for an invalid address
	return group
}
