package signin

import (
	"net/netip"
	"strings"

	"github.com/tlslift/tlslift/proxy/yamlfile"
)

// maxName is how many bytes the name of a client may have.
const maxName = 64

// clientList reads a list of clients. If seen is not nil, it has those that may not be
// given again, with their lines.
func (r *reader) clientList(n *node, seen map[string]int) clients {
	var c clients
	all, ok := r.List(n, "clients")
	if ok && len(all) == 0 {
		r.Wrong(n, "clients is an empty list; write addresses, networks or names, or remove it")
	}
	for _, one := range all {
		key := r.client(one, &c)
		if seen != nil && key != "" {
			r.once(one, key, seen, "the client %q already has the mailbox in line %d; remove one of the two")
		}
	}
	return c
}

// client reads an address, a network or a name, adds it, and returns it in its one
// form; empty after a problem.
func (r *reader) client(n *node, to *clients) string {
	text, ok := r.Text(n, "a client")
	if !ok {
		return ""
	}
	addr, addrErr := netip.ParseAddr(text)
	network, networkErr := netip.ParsePrefix(text)
	switch {
	case addrErr == nil && (addr.Is4In6() || addr.Zone() != ""):
		r.Wrong(n, "%q must be without a zone, and have its IPv4 form; write %s", yamlfile.Shown(text), addr.Unmap().WithZone(""))
	case addrErr == nil:
		network = netip.PrefixFrom(addr, addr.BitLen())
		to.networks = append(to.networks, network)
		return network.String()
	case networkErr == nil && network.Addr().Is4In6():
		r.Wrong(n, "%q must have its IPv4 form, for example 192.168.30.0/24", yamlfile.Shown(text))
	case networkErr == nil && network != network.Masked():
		r.Wrong(n, "%q has an address within the network; write %s for the network", yamlfile.Shown(text), network.Masked())
	case networkErr == nil:
		to.networks = append(to.networks, network)
		return network.String()
	case !isClientName(text):
		r.Wrong(n, "%q is not a client; write an address, a network such as 192.168.30.0/24, or a name of the clients file",
			yamlfile.Shown(text))
	default:
		to.names = append(to.names, text)
		r.cfg.names = append(r.cfg.names, position{text, n.Line, n.Column})
		return "name " + text
	}
	return ""
}

// isClientName reports whether s can be a name, and is not what an address looks like
// that is misspelt.
func isClientName(s string) bool {
	return s != "" && len(s) <= maxName && isPrintable(s) && strings.Trim(s, " ") == s && strings.Trim(s, "0123456789./:") != ""
}
