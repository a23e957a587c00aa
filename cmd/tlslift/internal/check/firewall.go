package check

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/listener"
)

// firewall looks for rules that lead to the listeners of redirected connections.
func (c *checker) firewall(ctx context.Context) (all []Result) {
	if !isTransparent(c.cfg) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	rules, err := c.Rules(ctx)
	for _, u := range c.cfg.Listen {
		if !u.Scheme.Transparent() {
			continue
		}
		r := Result{Check: FirewallRules, Subject: u.String(), Status: OK, Says: "rules lead there"}
		load := "load them, now and at each boot: sudo systemctl enable --now tlslift-rules.service tlslift-rules.timer; " +
			"only now: sudo tlslift rules | sudo nft -f -"
		if u.Scheme == listener.SchemeTPROXY {
			load = "load them, and the routes: tlslift rules --tproxy | sudo nft -f -; tlslift rules --tproxy --routes | sudo sh"
		}
		switch {
		case c.Machine.leadsTo(rules, u):
		case err != nil:
			r.Status, r.Says = Warning, clean("the rules of this machine cannot be read: "+err.Error())
			r.Remedy = c.withSudo("run sudo tlslift check; nft has to be installed, or iptables-save", "install nft, or iptables-save")
		default:
			r.Status, r.Says, r.Remedy = Failed, "no rule of this machine leads there, so that no client comes", load
		}
		all = append(all, r)
	}
	return all
}

// maxPrograms is how many programs list rules.
const maxPrograms = 5

// listing are the programs that list rules.
var listing = [maxPrograms][]string{
	{"nft", "list", "ruleset"}, {"iptables-legacy-save"}, {"ip6tables-legacy-save"}, {"iptables-save"}, {"ip6tables-save"},
}

// rules returns all rules of the machine that may redirect. Its error is nil if one of the
// programs has listed them.
func (m Machine) rules(ctx context.Context) (string, error) {
	var all strings.Builder
	var failed error
	read := false
	for _, command := range listing {
		text, err := m.Output(ctx, command[0], command[1:]...)
		if err == nil {
			read = true
			all.Write(text)
			all.WriteByte('\n')
		} else if failed == nil {
			failed = fmt.Errorf("%s: %w", strings.Join(command, " "), err)
		}
	}
	if read {
		return all.String(), nil
	}
	return "", failed
}

// leadsTo reports whether a rule leads to a listener: by its port, as nft or iptables write
// it. An operator may have written it in a table of his own. A rule with DNAT may lead to
// another machine.
func (m Machine) leadsTo(rules string, u listener.URL) bool {
	host, port, err := net.SplitHostPort(u.Address)
	if err != nil {
		return false
	}
	port = regexp.QuoteMeta(port)
	if u.Scheme == listener.SchemeTPROXY {
		return regexp.MustCompile(`tproxy( ip6?)? to \S*:` + port + `\b|TPROXY --on-port ` + port + `\b`).MatchString(rules)
	}
	if regexp.MustCompile(`redirect to \S*:` + port + `\b|REDIRECT --to-ports ` + port + `\b`).MatchString(rules) {
		return true
	}
	dnat := regexp.MustCompile(`(?:dnat(?: ip6?)? to|DNAT --to-destination) (\S*):` + port + `\b`)
	for _, rule := range dnat.FindAllStringSubmatch(rules, -1) {
		to, err := netip.ParseAddr(strings.Trim(rule[1], "[]"))
		if err != nil || m.listensAt(host, to) { // an error is that of several addresses, or a name
			return true
		}
	}
	return false
}

// listensAt reports whether a listener of a host, on this machine, has an address.
func (m Machine) listensAt(host string, to netip.Addr) bool {
	if own, err := netip.ParseAddr(host); err == nil && !own.IsUnspecified() {
		return own == to
	}
	all, err := m.Addresses()
	if err != nil || to.IsLoopback() {
		return true
	}
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		own, err := netip.ParsePrefix(a.String())
		return err == nil && own.Addr() == to
	})
}
