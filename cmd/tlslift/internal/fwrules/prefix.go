package fwrules

import (
	"cmp"
	"net/netip"
	"slices"
)

// merged returns the fewest prefixes with the same addresses, sorted. Interval
// sets of older nftables refuse prefixes that overlap.
func merged(in []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range slices.SortedFunc(slices.Values(in), comparePrefixes) {
		if n := len(out); n > 0 && out[n-1].Overlaps(p) {
			continue // the wider one comes first
		}
		out = joinHalves(append(out, p.Masked()))
	}
	return out
}

// comparePrefixes sorts by the first address, the widest prefix first.
func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Masked().Addr().Compare(b.Masked().Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// joinHalves replaces the last two prefixes by the one that they are the halves
// of, if they are, and repeats that.
func joinHalves(all []netip.Prefix) []netip.Prefix {
	for n := len(all); n >= 2; n-- {
		a, b := all[n-2], all[n-1]
		if a.Bits() != b.Bits() || a.Bits() == 0 || a.Addr().Is4() != b.Addr().Is4() {
			return all
		}
		whole := netip.PrefixFrom(a.Addr(), a.Bits()-1).Masked()
		if !whole.Contains(b.Addr()) {
			return all
		}
		all = append(all[:n-2], whole)
	}
	return all
}

// isLoopback reports whether all of a prefix is.
func isLoopback(p netip.Prefix) bool {
	return p.Addr().IsLoopback() && (p.Addr().Is4() && p.Bits() >= 8 || p.IsSingleIP())
}
