package clientfile

import "net/netip"

// A Table is the content of a file. It does not change, so it is safe for
// concurrent use. A nil Table has no client.
type Table struct {
	clients map[netip.Prefix]Options // the keys are masked
	entries int
}

// Lookup returns the options of the most specific entry that has addr, and
// zero Options if there is none. It takes an IPv4-mapped IPv6 address for the
// IPv4 address, and does not look at the zone.
func (t *Table) Lookup(addr netip.Addr) Options {
	if t == nil || len(t.clients) == 0 {
		return Options{}
	}
	addr = addr.Unmap()
	for bits := addr.BitLen(); bits >= 0; bits-- {
		// Prefix drops the zone, and fails only for an addr that is none.
		network, _ := addr.Prefix(bits)
		if o, found := t.clients[network]; found {
			return o
		}
	}
	return Options{}
}

// Len returns how many clients the file has.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return t.entries
}
