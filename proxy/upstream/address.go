package upstream

import "net/netip"

// Forbidden reports whether address is one where no public service can be:
// loopback, private, link-local (cloud metadata among them), shared,
// documentation, benchmarking, multicast, reserved. See the IANA
// special-purpose address registries (RFC 6890).
func Forbidden(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if !address.IsValid() {
		return true
	}
	if address.Is4() {
		return within(address, forbiddenIPv4)
	}
	// An IPv6-only network reaches IPv4 services through the well-known
	// NAT64 prefix (RFC 6052), so the IPv4 address inside it decides.
	if wellKnownNAT64.Contains(address) {
		bytes := address.As16()
		return within(netip.AddrFrom4([4]byte(bytes[12:])), forbiddenIPv4)
	}
	// Everything outside 2000::/3 is special or not given out: loopback,
	// fc00::/7, fe80::/10, fec0::/10, ff00::/8, 100::/64, the IPv4-compatible
	// addresses. So is 64:ff9b:1::/48 (RFC 8215), in which every network
	// places the IPv4 address where it likes.
	return !globalUnicast.Contains(address) || within(address, forbiddenIPv6)
}

func within(address netip.Addr, prefixes []netip.Prefix) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

var (
	globalUnicast  = netip.MustParsePrefix("2000::/3")
	wellKnownNAT64 = netip.MustParsePrefix("64:ff9b::/96")
)

var forbiddenIPv4 = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network
	netip.MustParsePrefix("10.0.0.0/8"),       // private
	netip.MustParsePrefix("100.64.0.0/10"),    // shared by carriers (RFC 6598)
	netip.MustParsePrefix("127.0.0.0/8"),      // loopback
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's host, seen from inside each of its machines
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local, cloud metadata
	netip.MustParsePrefix("172.16.0.0/12"),    // private
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays, given up (RFC 7526)
	netip.MustParsePrefix("192.168.0.0/16"),   // private
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarking
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("224.0.0.0/4"),      // multicast
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved, broadcast
}

// The tunnels Teredo and 6to4 carry an IPv4 address and are given up, so all
// of them are refused.
var forbiddenIPv6 = []netip.Prefix{
	netip.MustParsePrefix("2001::/23"),     // protocol assignments: Teredo, benchmarking, ORCHID
	netip.MustParsePrefix("2001:db8::/32"), // documentation
	netip.MustParsePrefix("2002::/16"),     // 6to4
	netip.MustParsePrefix("3fff::/20"),     // documentation (RFC 9637)
}
