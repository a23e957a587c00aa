package clientfile

import (
	"maps"
	"net/netip"
	"slices"
)

// A Table is the content of a file. It does not change, so it is safe for
// concurrent use. A nil Table has no client.
type Table struct {
	clients      map[netip.Prefix]Options // the keys are masked
	hosts        map[string]Options       // by name in reverse DNS
	hostOf       func(netip.Addr) string  // nil without reverse DNS
	names        map[string]bool
	descriptions map[string]Description // by name
}

// WithHosts returns a table that also finds clients by their names in reverse DNS.
// hostOf returns the name of an address; nothing if it has none. It must not wait.
func (t *Table) WithHosts(hostOf func(netip.Addr) string) *Table {
	if !t.HasHosts() {
		return t
	}
	with := *t
	with.hostOf = hostOf
	return &with
}

// HasHosts reports whether a client is given by its name in reverse DNS.
func (t *Table) HasHosts() bool { return t != nil && len(t.hosts) > 0 }

// HasHost reports whether a client is given by this name in reverse DNS.
func (t *Table) HasHost(host string) bool {
	if t == nil {
		return false
	}
	_, found := t.hosts[host]
	return found
}

// Lookup returns the options of the most specific entry that has addr, and
// zero Options if there is none: its address, its name in reverse DNS, a network. It takes an IPv4-mapped IPv6 address for the
// IPv4 address, and does not look at the zone.
func (t *Table) Lookup(addr netip.Addr) Options {
	if t == nil || len(t.names) == 0 {
		return Options{}
	}
	addr = addr.Unmap()
	for bits := addr.BitLen(); bits >= 0; bits-- {
		// Prefix drops the zone, and fails only for an addr that is none.
		network, _ := addr.Prefix(bits)
		if o, found := t.clients[network]; found {
			return o
		}
		if bits == addr.BitLen() && t.hostOf != nil {
			if o, found := t.hosts[t.hostOf(addr.WithZone(""))]; found {
				return o
			}
		}
	}
	return Options{}
}

// NameOf returns the name of the client that has addr; nothing if there is none.
func (t *Table) NameOf(addr netip.Addr) string { return t.Lookup(addr).Name }

// Has reports whether the file has a client of that name.
func (t *Table) Has(name string) bool { return t != nil && t.names[name] }

// Called returns the options of the client of that name, and its address; the address is not
// valid if the file gives several, a network, or a name in reverse DNS.
func (t *Table) Called(name string) (o Options, addr netip.Addr, found bool) {
	if !t.Has(name) {
		return Options{}, netip.Addr{}, false
	}
	places := 0
	for prefix, its := range t.clients {
		if its.Name != name {
			continue
		}
		o = its
		if places++; prefix.IsSingleIP() {
			addr = prefix.Addr()
		}
	}
	for _, its := range t.hosts {
		if its.Name == name {
			o, places = its, places+1
		}
	}
	if places > 1 {
		addr = netip.Addr{}
	}
	return o, addr, true
}

// Len returns how many clients the file has.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.names)
}

// NamesWithCA returns the names of the clients that have this CA, sorted.
func (t *Table) NamesWithCA(ca CA) []string {
	if t == nil {
		return nil
	}
	has := map[string]bool{}
	for _, entries := range []map[string]Options{byName(t.clients), t.hosts} {
		for _, o := range entries {
			if o.Leaf.CA == ca {
				has[o.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(has))
}

// byName returns the options of networks by the names of their clients.
func byName(clients map[netip.Prefix]Options) map[string]Options {
	all := make(map[string]Options, len(clients))
	for _, o := range clients {
		all[o.Name] = o
	}
	return all
}

// Names returns the names of all clients, sorted.
func (t *Table) Names() []string {
	if t == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(t.names))
}
