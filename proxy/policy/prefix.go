package policy

import (
	"fmt"
	"math"
	"net/netip"

	"github.com/tlslift/tlslift/proxy/netname"
)

// The widest ranges that are believed. Microsoft's are /13 and /36 at most.
const (
	widest4 = 12
	widest6 = 32
)

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
	case netname.SpecialPrefix(p):
		return fmt.Errorf("the addresses %s are not public", p)
	}
	return nil
}
