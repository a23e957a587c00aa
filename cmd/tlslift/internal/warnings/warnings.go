// Package warnings finds what is permitted and unwise in the settings: what a person should
// have decided, and not overlooked.
//
// It finds no mistakes: those are errors of the settings.
package warnings

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics/webconfig"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/netname"
)

// A Warning is one line for an administrator.
type Warning struct {
	Text   string
	Remedy string
}

func (w Warning) String() string { return w.Text + "; " + w.Remedy }

// The widest networks that one load balancer, or a few of them, have.
const (
	balancerBits4 = 28
	balancerBits6 = 120
)

// Of returns the warnings about the settings of a process with an effective user, which is
// negative where there are no such users.
func Of(c *settings.Config, user int) []Warning {
	return slices.Concat(openAdminPage(c), openRelay(c), needlessRoot(c, user), wideBalancers(c), unusedRoutes(c))
}

// openAdminPage finds an admin page that others can reach without a password.
func openAdminPage(c *settings.Config) []Warning {
	if c.AdminListen == "" || isLoopback(c.AdminListen.Host()) || webconfig.KeepsOut(c.AdminWebConfig) {
		return nil
	}
	return []Warning{{
		fmt.Sprintf("%sADMIN_LISTEN=%s: everybody who can reach this address can read the names and addresses of the clients without a password",
			settings.Prefix, c.AdminListen),
		fmt.Sprintf("listen on 127.0.0.1, or set %[1]sADMIN_WEB_CONFIG_FILE; devices get the CA from %[1]sPUBLIC_LISTEN", settings.Prefix),
	}}
}

// isLoopback reports whether only this machine can reach an address to listen on.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// openRelay finds listeners at which anybody on the internet can go on without TLS.
func openRelay(c *settings.Config) []Warning {
	isEverybody := func(p netip.Prefix) bool { return p.Bits() == 0 }
	if !slices.ContainsFunc(netname.Merge(c.ClientNets), isEverybody) {
		return nil
	}
	var plain []string
	for _, l := range c.Listen {
		if l.Plaintext && !isLoopback(hostOf(l)) {
			plain = append(plain, l.String())
		}
	}
	if len(plain) == 0 {
		return nil
	}
	return []Warning{{
		fmt.Sprintf("%sCLIENT_NETS has all addresses there are, and %s takes passwords and mail without TLS",
			settings.Prefix, strings.Join(plain, ", ")),
		"name the networks of your clients, or allow plaintext for single ones in the clients file",
	}}
}

func hostOf(l listener.URL) string {
	host, _, _ := net.SplitHostPort(l.Address) // checked before
	return host
}

// needlessRoot finds a process of root that needs no right of root.
func needlessRoot(c *settings.Config, user int) []Warning {
	addresses := []string{string(c.AdminListen), string(c.PublicListen)}
	for _, l := range c.Listen {
		if l.Scheme.Transparent() {
			return nil
		}
		addresses = append(addresses, l.Address)
	}
	if user != 0 || c.UpstreamMark.Value != 0 && !c.UpstreamMark.Auto || slices.ContainsFunc(addresses, isLowPort) {
		return nil
	}
	return []Warning{{"tlslift runs as root, and nothing in its settings needs that", "run it as a user of its own, as the systemd unit does"}}
}

// isLowPort reports whether an address has a port that only root may listen on.
func isLowPort(address string) bool {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0 && port < 1024
}

// wideBalancers finds networks whose hosts may claim to be any client, and that have more
// than load balancers in them.
func wideBalancers(c *settings.Config) (found []Warning) {
	for _, trusted := range netname.Merge(c.TrustedProxies) {
		bits := balancerBits4
		if trusted.Addr().Is6() {
			bits = balancerBits6
		}
		if trusted.Bits() < bits {
			found = append(found, Warning{
				fmt.Sprintf("%sTRUSTED_PROXIES has %s: each host there can claim to be any client", settings.Prefix, trusted),
				"name the addresses of the load balancers",
			})
		}
		// The address of one load balancer may well be in a network of clients.
		overlaps := func(p netip.Prefix) bool { return p.Overlaps(trusted) }
		if i := slices.IndexFunc(c.ClientNets, overlaps); i >= 0 && !trusted.IsSingleIP() {
			found = append(found, Warning{
				fmt.Sprintf("%[1]sTRUSTED_PROXIES has %[2]s, which overlaps %[3]s of %[1]sCLIENT_NETS: a client there can claim to be another one",
					settings.Prefix, trusted, c.ClientNets[i]),
				"name the addresses of the load balancers one by one, or leave their network out of " + settings.Prefix + "CLIENT_NETS",
			})
		}
	}
	return found
}

// unusedRoutes finds destinations of clients that have no effect at any listener.
func unusedRoutes(c *settings.Config) (found []Warning) {
	clients, err := c.ClientTable()
	if err != nil {
		return nil // an error of its own
	}
	for _, route := range clients.Unused(c.Listen) {
		found = append(found, Warning{
			fmt.Sprintf("%sCLIENTS_FILE: %s has no effect, since no listener of %[1]sLISTEN is for what is spoken on that port",
				settings.Prefix, route),
			"add one, such as smtp:// for the ports 25, 465 and 587; or remove the line",
		})
	}
	return found
}
