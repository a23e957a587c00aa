package netname

import (
	"net/netip"

	"go4.org/netipx"
)

// Merge returns the fewest prefixes with the same addresses, sorted, those of
// IPv4 first. Prefixes that are not valid are left out.
func Merge(prefixes []netip.Prefix) []netip.Prefix {
	var b netipx.IPSetBuilder
	for _, p := range prefixes {
		if p.IsValid() {
			b.AddPrefix(p)
		}
	}
	set, err := b.IPSet()
	if err != nil {
		return nil // cannot be: all of them are valid
	}
	return set.Prefixes()
}
