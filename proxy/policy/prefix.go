package policy

import (
	"fmt"
	"math"
	"net/netip"
)

// The widest ranges that are believed. Microsoft's are /13 and /36 at most.
const (
	widest4 = 12
	widest6 = 32
)

// notPublic are the special-purpose networks of IPv4 (RFC 6890), and those
// inside the global unicast addresses of IPv6 that belong to nobody or map
// IPv4.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/3"), netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"),
}

// room is how many addresses prefixes have, of IPv4 and of IPv6.
func room(all []netip.Prefix) (v4, v6 float64) {
	for _, p := range all {
		size := math.Exp2(float64(p.Addr().BitLen() - p.Bits()))
		if p.Addr().Is4() {
			v4 += size
		} else {
			v6 += size
		}
	}
	return v4, v6
}

// checkPrefix refuses what cannot be a range of addresses of Microsoft.
func checkPrefix(p netip.Prefix) error {
	addr := p.Addr()
	switch {
	case !p.IsValid() || addr.Is4In6() || p != p.Masked():
		return fmt.Errorf("%q is not a range of addresses", p)
	case addr.Is4() && p.Bits() < widest4, addr.Is6() && p.Bits() < widest6:
		return fmt.Errorf("the range of addresses %s is too wide", p)
	case addr.Is6() && !netip.MustParsePrefix("2000::/3").Contains(addr):
		return fmt.Errorf("the addresses %s are not public", p)
	}
	for _, special := range notPublic {
		if special.Overlaps(p) {
			return fmt.Errorf("the addresses %s are not public", p)
		}
	}
	return nil
}
