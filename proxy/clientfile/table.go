package clientfile

import "net/netip"

// A Table is the content of a file. It does not change, so it is safe for
// concurrent use. A nil Table has no client.
type Table struct {
	clients map[netip.Prefix]Options // the keys are masked
	names   map[string]bool
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

// NameOf returns the name of the client that has addr; nothing if there is none.
func (t *Table) NameOf(addr netip.Addr) string { return t.Lookup(addr).Name }

// Has reports whether the file has a client of that name.
func (t *Table) Has(name string) bool { return t != nil && t.names[name] }

// Len returns how many clients the file has.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.names)
}
