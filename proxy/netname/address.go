package netname

import "net/netip"

// Special reports whether an address is one where no public service can be:
// loopback, private, link-local (cloud metadata among them), shared,
// documentation, benchmarking, multicast, reserved. The zero address is special.
func Special(addr netip.Addr) bool {
	addr = Reached(addr)
	return SpecialPrefix(netip.PrefixFrom(addr, addr.BitLen()))
}

// Reached returns the address whose machine is reached by a connection to addr: without
// a zone, and the IPv4 address for one that is written as IPv6. An IPv6-only network
// reaches IPv4 services through the well-known NAT64 prefix (RFC 6052), so it is the IPv4
// address inside it; not in 64:ff9b:1::/48 (RFC 8215), in which every network places the
// IPv4 address where it likes.
func Reached(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if wellKnownNAT64.Contains(addr) {
		bytes := addr.As16()
		return netip.AddrFrom4([4]byte(bytes[12:]))
	}
	return addr
}

// SpecialPrefix reports whether a prefix has special addresses, others than a
// single one in a public network. All IPv4
// addresses that are written as IPv6 ones are so here, those of NAT64 too: no
// public service has a prefix of them. The zero prefix is special.
func SpecialPrefix(p netip.Prefix) bool {
	if !p.IsValid() || p.Addr().Is6() && !(p.Bits() >= globalUnicast.Bits() && globalUnicast.Contains(p.Addr())) {
		return true
	}
	for _, special := range specialPrefixes {
		// A single special address says nothing about a network around it.
		if special.Overlaps(p) && (!special.IsSingleIP() || p.IsSingleIP()) {
			return true
		}
	}
	return false
}

var (
	wellKnownNAT64 = netip.MustParsePrefix("64:ff9b::/96")
	// Everything outside of it is special or not given out: loopback, fc00::/7,
	// fe80::/10, fec0::/10, ff00::/8, 100::/64, the IPv4-mapped and
	// IPv4-compatible addresses, 64:ff9b:1::/48.
	globalUnicast = netip.MustParsePrefix("2000::/3")
)

// specialPrefixes are the special-purpose networks of IPv4, and those of IPv6
// inside globalUnicast, of the IANA registries (RFC 6890) that are not reachable
// from the whole internet. The tunnels Teredo and 6to4 carry an IPv4 address and
// are given up, so all of them are special.
var specialPrefixes = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network (RFC 791 section 3.2)
	netip.MustParsePrefix("10.0.0.0/8"),       // private (RFC 1918)
	netip.MustParsePrefix("100.64.0.0/10"),    // shared by the customers of a carrier (RFC 6598)
	netip.MustParsePrefix("127.0.0.0/8"),      // loopback (RFC 1122 section 3.2.1.3)
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's host as each of its machines sees it; in no registry
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local (RFC 3927), cloud metadata
	netip.MustParsePrefix("172.16.0.0/12"),    // private (RFC 1918)
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments (RFC 6890 section 2.1)
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation (RFC 5737)
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays, given up (RFC 7526)
	netip.MustParsePrefix("192.168.0.0/16"),   // private (RFC 1918)
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarking (RFC 2544)
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation (RFC 5737)
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation (RFC 5737)
	netip.MustParsePrefix("224.0.0.0/4"),      // multicast (RFC 5771)
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved (RFC 1112 section 4), broadcast (RFC 919)
	netip.MustParsePrefix("2001::/23"),        // protocol assignments (RFC 2928): Teredo, benchmarking, ORCHID
	netip.MustParsePrefix("2001:db8::/32"),    // documentation (RFC 3849)
	netip.MustParsePrefix("2002::/16"),        // 6to4 (RFC 3056)
	netip.MustParsePrefix("3fff::/20"),        // documentation (RFC 9637)
}
