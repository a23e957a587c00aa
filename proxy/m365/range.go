package m365

import (
	"net/netip"
	"slices"

	"github.com/tlslift/tlslift/proxy/policy"
)

// A Range is a row of the table with the addresses that are published for it.
type Range struct {
	// Area is the service area, for example "Exchange".
	Area string
	// Source is that of the row's endpoints, for example "row 2, Exchange".
	Source string
	// Prefixes are the published addresses; at least one.
	Prefixes []netip.Prefix

	endpoints []policy.Endpoint // the row's; they have the same ports
}

// HasPort reports whether the row allows a port.
func (r Range) HasPort(port uint16) bool {
	return slices.ContainsFunc(r.endpoints, func(e policy.Endpoint) bool { return e.HasPort(port) })
}

// Contains reports whether an address is one of the published ones.
func (r Range) Contains(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(r.Prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Ranges returns the rows that have published addresses, in the order of the
// table. Rows whose hosts are spread over a content network have none.
func (p *Policy) Ranges() []Range { return slices.Clone(p.ranges) }

// NameAt returns the name by which an address and port are best known: that of
// the mail servers or of the sign-in of the row whose published addresses
// contain it. It returns false for addresses that are in no row, and for rows
// in which each tenant has a name of its own.
func (p *Policy) NameAt(addr netip.AddrPort) (policy.Destination, bool) {
	for _, r := range p.ranges {
		if !r.HasPort(addr.Port()) || !r.Contains(addr.Addr()) {
			continue
		}
		for _, host := range p.wellKnown(addr.Port()) {
			if r.names(host) {
				return policy.Destination{Host: host, Port: addr.Port()}, true
			}
		}
	}
	return policy.Destination{}, false
}

// names reports whether a row is that of host. Some rows have only the names
// below one that a supplement has.
func (r Range) names(host string) bool {
	return slices.ContainsFunc(r.endpoints, func(e policy.Endpoint) bool { return e.Domain() == host })
}

// Names returns the exact host names that are allowed on a port: the best known
// first, then the operator's, then the others of the table. An address that
// belongs to several of them goes by the first.
func (p *Policy) Names(port uint16) []string {
	var own, others []string
	for _, e := range p.Endpoints() {
		switch {
		case !e.IsExact() || !e.HasPort(port):
		case e.Source() == policy.Operator:
			own = append(own, e.Domain())
		default:
			others = append(others, e.Domain())
		}
	}
	all := slices.Concat(p.wellKnown(port), own, others)
	seen := make(map[string]bool, len(all))
	return slices.DeleteFunc(all, func(name string) bool {
		twice := seen[name]
		seen[name] = true
		return twice
	})
}

// signIn is where clients of an instance get their tokens.
var signIn = map[Instance]string{
	Worldwide: "login.microsoftonline.com",
	GCCHigh:   "login.microsoftonline.us",
	DoD:       "login.microsoftonline.us",
	China:     "login.partner.microsoftonline.cn",
}

// wellKnown returns the best known hosts that are allowed on a port.
func (p *Policy) wellKnown(port uint16) []string {
	mail := mailHosts[p.list.instance]
	hosts := []string{mail.reading, signIn[p.list.instance]}
	if port == submissionPort || port == smtpPort {
		hosts = []string{mail.submission, mail.reading}
	}
	return slices.DeleteFunc(hosts, func(host string) bool { return !p.allows(host, port) })
}
