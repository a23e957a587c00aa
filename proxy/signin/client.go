package signin

import (
	"net/netip"
	"slices"
	"strings"
)

// A Client is who asks.
type Client struct {
	Addr netip.Addr
	Name string // of the clients file; empty if it has none
}

// group returns whose tries count together: in IPv6 a network of 64 bits, as one
// device has all of it; and all loopback addresses.
func (c Client) group() netip.Prefix {
	addr := c.Addr.Unmap().WithZone("")
	bits := addr.BitLen()
	switch {
	case addr.Is4() && addr.IsLoopback():
		bits = 8
	case addr.Is6():
		bits = 64
	}
	p, _ := addr.Prefix(bits) // it fails only for no address, which has the zero prefix
	return p
}

// clients are the clients that a file names.
type clients struct {
	networks []netip.Prefix // masked; an address is a network of one
	names    []string
}

func (s clients) isEmpty() bool { return len(s.networks) == 0 && len(s.names) == 0 }

// How specifically a client is named. A number of bits is that of a network.
const (
	notNamed  = -1
	byName    = 200
	byAddress = 300
)

// match returns how specifically c is named.
func (s clients) match(c Client) int {
	best := notNamed
	if c.Name != "" && slices.Contains(s.names, c.Name) {
		best = byName
	}
	addr := c.Addr.Unmap().WithZone("")
	for _, n := range s.networks {
		switch {
		case !n.Contains(addr):
		case n.IsSingleIP():
			return byAddress
		default:
			best = max(best, n.Bits())
		}
	}
	return best
}

// list returns all of them, for people.
func (s clients) list() string {
	var all []string
	for _, n := range s.networks {
		if n.IsSingleIP() {
			all = append(all, n.Addr().String())
			continue
		}
		all = append(all, n.String())
	}
	return strings.Join(append(all, s.names...), " ")
}
