package check

import (
	"context"
	"net"
	"net/netip"
	"regexp"

	"github.com/tlslift/tlslift/proxy/listener"
)

// maxTables bounds the routing tables that are looked at.
const maxTables = 16

var (
	// markRule matches the table of a rule for packets with a firewall mark.
	markRule = regexp.MustCompile(`fwmark \S+.* lookup (\S+)`)
	// toHere matches a route that brings every address to this machine.
	toHere = regexp.MustCompile(`(?m)^local (default|0\.0\.0\.0/0|::/0)\b`)
)

// routing looks whether what TPROXY rules have marked is routed to this machine. Which mark
// and which table that is, the operator may have chosen.
func (c *checker) routing(ctx context.Context) (all []Result) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	for _, u := range c.cfg.Listen {
		if u.Scheme == listener.SchemeTPROXY {
			all = append(all, c.Machine.routesTo(ctx, u))
		}
	}
	return all
}

func (m Machine) routesTo(ctx context.Context, u listener.URL) Result {
	r := Result{Check: Routing, Subject: u.String(), Status: OK, Says: "what the rules mark is routed to this machine"}
	for i, family := range familiesOf(u) {
		is, err := m.isRouted(ctx, family)
		switch {
		case is, err != nil && i > 0: // the machine has no IPv6
		case err != nil:
			r.Status, r.Says = Warning, clean("the routes of this machine cannot be read: ip "+family+" rule show: "+err.Error())
			r.Remedy = "install iproute2, which has the program ip"
			return r
		default:
			r.Status, r.Says = Failed, map[string]string{"-4": "IPv4", "-6": "IPv6"}[family]+
				": no route brings what the rules mark to this machine, so that no such client comes; after a reboot the routes are gone"
			r.Remedy = "set the routes, now and at each start of the machine: tlslift rules --tproxy --routes | sudo sh"
			return r
		}
	}
	return r
}

// familiesOf returns the options of ip for what a listener takes, IPv4 first.
func familiesOf(u listener.URL) []string {
	host, _, _ := net.SplitHostPort(u.Address) // checked before
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil || addr == netip.IPv6Unspecified():
		return []string{"-4", "-6"}
	case addr.Unmap().Is4():
		return []string{"-4"}
	}
	return []string{"-6"}
}

// isRouted reports whether a table for marked packets has a route for every address.
func (m Machine) isRouted(ctx context.Context, family string) (bool, error) {
	rules, err := m.Output(ctx, "ip", family, "rule", "show")
	if err != nil {
		return false, err
	}
	for _, rule := range markRule.FindAllStringSubmatch(string(rules), maxTables) {
		routes, err := m.Output(ctx, "ip", family, "route", "show", "table", rule[1])
		if err == nil && toHere.Match(routes) {
			return true, nil
		}
	}
	return false, nil
}
