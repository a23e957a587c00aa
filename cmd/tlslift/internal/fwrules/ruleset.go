// Package fwrules writes the firewall rules, for nftables and iptables, that bring
// connections to a redirect:// or tproxy:// listener.
//
// It loads no rule: that is up to the administrator who reads them.
package fwrules

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/spelling"
)

// An Input is what the settings say.
type Input struct {
	Listeners    []listener.URL
	ClientNets   []netip.Prefix
	Mark         uint32       // of tlslift's own connections; 0: none
	Policy       *m365.Policy // has the published addresses
	Destinations []policy.Endpoint
}

// A Ruleset is everything that firewall rules are printed from; the templates
// read it.
type Ruleset struct {
	form       string // the template
	Command    string // what prints it
	Table      string
	TPROXY     bool // else REDIRECT
	Local      bool
	Interfaces []string // none: all but loopback
	Instance   m365.Instance
	List       string   // where the published addresses come from
	Operator   []string // destinations without published addresses
	Bypass     bool     // by each of the listeners
	Mark       uint32   // of tlslift's own connections; 0: none
	Caught     uint32   // mark and routing table of what TPROXY has caught
	IPv4, IPv6 family
}

// A family is the rules for IPv4 or IPv6.
type family struct {
	Name     string // as nft has it: ip or ip6
	Digit    string // ends the names of sets
	Listener string // its URL; empty: none takes this family
	To       netip.Addr
	Port     uint16 // of the listener
	Clients  []netip.Prefix
	Sets     []addressSet
}

// An addressSet is the published addresses of a service area that have the
// same ports.
type addressSet struct {
	Area     string
	Sources  []string // the rows of Microsoft's table
	Ports    []uint16
	Prefixes []netip.Prefix
}

// New returns the rules that o asks for. Its errors are about o and about the
// settings.
func New(o Options, in Input) (*Ruleset, error) {
	kind, err := o.kind(in.Listeners)
	if err != nil {
		return nil, err
	}
	ranges, err := chosen(in.Policy.Ranges(), o.Services)
	if err != nil {
		return nil, err
	}
	list := in.Policy.List()
	r := &Ruleset{
		form: o.form(), Command: o.command(),
		Table: o.Table, TPROXY: kind == listener.SchemeTPROXY, Local: o.Local, Interfaces: o.Interfaces,
		Instance: list.Instance(), List: listOrigin(list), Operator: operatorsOwn(in.Destinations),
		Bypass: true, Mark: in.Mark, Caught: caughtMark(in.Mark),
		IPv4: family{Name: "ip", Digit: "4"}, IPv6: family{Name: "ip6", Digit: "6"},
	}
	if r.Local && r.Mark == 0 {
		return nil, fmt.Errorf("--local: without a mark the rules would redirect tlslift's own connections to itself; "+
			"leave %sUPSTREAM_MARK at auto",
			settings.Prefix)
	}
	for _, l := range in.Listeners {
		if l.Scheme != kind {
			continue
		}
		if err := r.lead(l, in.ClientNets, ranges); err != nil {
			return nil, fmt.Errorf("%sLISTEN: %s: %w", settings.Prefix, l, err)
		}
	}
	return r, nil
}

// listOrigin completes "the published addresses come from".
func listOrigin(l m365.List) string {
	if l.Version() == "" {
		return "the list built into tlslift"
	}
	return "version " + l.Version() + " of Microsoft's list"
}

// caughtMark follows settings.AutoMark, and differs from the mark of tlslift's own
// connections.
func caughtMark(own uint32) uint32 {
	if own == settings.AutoMark+1 {
		return settings.AutoMark + 2
	}
	return settings.AutoMark + 1
}

func operatorsOwn(endpoints []policy.Endpoint) []string {
	var all []string
	for _, e := range endpoints {
		all = append(all, e.String())
	}
	return all
}

// Areas returns the names of the service areas of some ranges, as --service takes them.
func Areas(ranges []m365.Range) (names []string) {
	for _, r := range ranges {
		names = append(names, strings.ToLower(r.Area))
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// chosen returns the ranges of the named areas; no name means all.
func chosen(ranges []m365.Range, areas []string) ([]m365.Range, error) {
	known := Areas(ranges)
	for _, area := range areas {
		if slices.Contains(known, area) {
			continue
		}
		hint := "those with published addresses are " + strings.Join(known, ", ")
		if near := spelling.Nearest(strings.ToLower(area), known); near != "" {
			hint = "did you mean " + near + "?"
		}
		return nil, fmt.Errorf("--service: %q is not a service area; %s", area, hint)
	}
	return slices.DeleteFunc(ranges, func(r m365.Range) bool {
		return len(areas) > 0 && !slices.Contains(areas, strings.ToLower(r.Area))
	}), nil
}

// lead makes l the listener of the families that it accepts and that have none
// yet.
func (r *Ruleset) lead(l listener.URL, clients []netip.Prefix, ranges []m365.Range) error {
	to, port, err := r.target(l)
	if err != nil {
		return err
	}
	for _, f := range []*family{&r.IPv4, &r.IPv6} {
		is4 := f == &r.IPv4
		if f.Listener != "" || !takes(to, is4) {
			continue
		}
		f.Listener, f.Port = l.String(), port
		if to.IsValid() && !to.IsUnspecified() {
			f.To = to
		}
		ofFamily := func(p netip.Prefix) bool { return p.Addr().Is4() == is4 }
		f.Clients = netname.Merge(filter(clients, func(p netip.Prefix) bool { return ofFamily(p) && !isLoopback(p) }))
		f.Sets = addressSets(ranges, portsOf(l), ofFamily)
		r.Bypass = r.Bypass && l.Bypass
	}
	return nil
}

// target returns the address and port of a listener; the address is not valid if it
// listens on all of them.
func (r *Ruleset) target(l listener.URL) (netip.Addr, uint16, error) {
	host, portText, err := net.SplitHostPort(l.Address)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return netip.Addr{}, 0, errors.New("rules need a fixed port; write one that is not 0")
	}
	if host == "" {
		return netip.Addr{}, uint16(port), nil
	}
	to, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return netip.Addr{}, 0, errors.New("rules need an address, not a name; write one, or leave it out for every address")
	case to.IsLoopback() && !r.TPROXY:
		return netip.Addr{}, 0, fmt.Errorf("a firewall redirects to the address of the interface where a connection comes in, "+
			"never to loopback; write redirect://:%d for every address", port)
	}
	return to.Unmap(), uint16(port), nil
}

// takes reports whether a listener gets connections of a family: an IPv6 wildcard
// gets both.
func takes(to netip.Addr, is4 bool) bool {
	return !to.IsValid() || to == netip.IPv6Unspecified() || to.Is4() == is4
}

// isLoopback reports whether all of a prefix is.
func isLoopback(p netip.Prefix) bool {
	return p.Addr().IsLoopback() && (p.Addr().Is4() && p.Bits() >= 8 || p.IsSingleIP())
}

func filter(in []netip.Prefix, keep func(netip.Prefix) bool) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range in {
		if keep(p) {
			out = append(out, p)
		}
	}
	return out
}

// portsOf returns the ports at which clients of l are caught: what tlslift speaks,
// and what the listener adds. Port 80 is never among them, since its clients
// begin with plain HTTP.
func portsOf(l listener.URL) []uint16 {
	ports := []uint16{25, 110, 143, 443, 465, 587, 993, 995}
	for port := range l.Ports {
		if port != 80 {
			ports = append(ports, port)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// addressSets sorts the published addresses by area and port, and puts ports
// with the same addresses together. A set of addresses for each group of ports
// loads everywhere; one of addresses and ports needs Linux 5.6.
func addressSets(ranges []m365.Range, ports []uint16, keep func(netip.Prefix) bool) []addressSet {
	var sets []addressSet
	for _, area := range areasOf(ranges) {
		first := len(sets)
		for _, port := range ports {
			set := publishedAt(ranges, area, port, keep)
			same := slices.IndexFunc(sets[first:], func(s addressSet) bool { return slices.Equal(s.Prefixes, set.Prefixes) })
			switch {
			case len(set.Prefixes) == 0:
			case same < 0:
				sets = append(sets, set)
			default:
				s := &sets[first+same]
				s.Ports = append(s.Ports, port)
				s.Sources = union(s.Sources, set.Sources)
			}
		}
	}
	return sets
}

func areasOf(ranges []m365.Range) []string {
	var areas []string
	for _, r := range ranges {
		areas = union(areas, []string{r.Area})
	}
	return areas
}

func publishedAt(ranges []m365.Range, area string, port uint16, keep func(netip.Prefix) bool) addressSet {
	set := addressSet{Area: area, Ports: []uint16{port}}
	for _, r := range ranges {
		if r.Area == area && r.HasPort(port) {
			set.Sources = union(set.Sources, []string{r.Source})
			set.Prefixes = append(set.Prefixes, filter(r.Prefixes, keep)...)
		}
	}
	set.Prefixes = netname.Merge(set.Prefixes)
	return set
}

// union appends what is not yet there.
func union(all, more []string) []string {
	for _, s := range more {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
