package clientfile

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/tlslift/tlslift/proxy/netname"
)

const (
	maxClients = 10_000
	maxName    = 64
	// maxShown bounds what a problem repeats of the file.
	maxShown = 60
)

// A reader collects the clients of a file and the problems in it.
type reader struct {
	problems problems
	clients  map[netip.Prefix]Options
	hosts    map[string]Options
	names    map[string]int   // the line of each name
	owners   map[string]place // where each network or host is given for the first time
}

// A place is an address, a network or a host of a client, and where it is given.
type place struct {
	network netip.Prefix
	host    string // empty for the others
	node    *yaml.Node
	entry   *yaml.Node // the client
	name    string     // of the client; empty if it has none
}

func (r *reader) file(n *yaml.Node) {
	if isNull(n) {
		return // nothing but comments between document marks
	}
	r.mapping(n, "the file", []field{{"clients", r.all}})
}

// all reads the list of clients, which may be there with nothing in it.
func (r *reader) all(n *yaml.Node) {
	if isNull(n) {
		return
	}
	if !r.is(yaml.SequenceNode, n, "clients") {
		return
	}
	if len(n.Content) > maxClients {
		r.wrong(n.Content[maxClients], "there are more than %d clients; give networks instead of addresses", maxClients)
		return
	}
	for _, c := range n.Content {
		r.client(c)
	}
}

func (r *reader) client(n *yaml.Node) {
	var o Options
	var places []place
	given := r.mapping(n, "a client", []field{
		{"name", func(v *yaml.Node) { o.Name = r.name(v) }},
		{"address", func(v *yaml.Node) { places = append(places, r.places(v, "address", parseAddress)...) }},
		{"network", func(v *yaml.Node) { places = append(places, r.places(v, "network", parseNetwork)...) }},
		{"host", func(v *yaml.Node) { places = append(places, r.hostPlaces(v)...) }},
		{"plaintext", func(v *yaml.Node) { o.Plaintext = r.plaintext(v) }},
		{"ciphers", func(v *yaml.Node) { o.RC4, o.DES = r.ciphers(v) }},
		{"dh_bits", func(v *yaml.Node) { o.DHBits, _ = strconv.Atoi(r.word(v, "dh_bits", "1024", "2048")) }},
		{"split_records", func(v *yaml.Node) { o.SplitRecords = r.word(v, "split_records", "true", "false") == "true" }},
		{"record_size", func(v *yaml.Node) {
			o.RecordSize, _ = strconv.Atoi(r.word(v, "record_size", "512", "1024", "2048", "4096"))
		}},
		{"leaf", func(v *yaml.Node) { o.Leaf = r.leaf(v) }},
	})
	if given == nil {
		return
	}
	if !given["name"] {
		r.wrong(n, "the client has no name; add one, as in name: scanner-2nd-floor")
	}
	if !given["address"] && !given["network"] && !given["host"] {
		r.wrong(n, "the client has no address; add one, as in address: 192.168.20.31, or a network, as in network: 192.168.30.0/24")
	}
	for _, p := range places {
		p.entry, p.name = n, o.Name
		r.claim(p)
		if p.host != "" {
			r.hosts[p.host] = o
		} else {
			r.clients[p.network] = o
		}
	}
}

func (r *reader) name(n *yaml.Node) string {
	if !r.is(yaml.ScalarNode, n, "name") {
		return ""
	}
	if err := checkName(n.Value); err != nil {
		r.wrong(n, "%s", err)
		return ""
	}
	if line := r.names[n.Value]; line != 0 {
		r.wrong(n, "the name %q is already taken in line %d; give each client its own", n.Value, line)
		return ""
	}
	r.names[n.Value] = n.Line
	return n.Value
}

// checkName keeps names apart from what the log and the metrics have in the
// place of a name, and easy to write in a query.
func checkName(name string) error {
	if strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c > '~' }) {
		return fmt.Errorf("the name %q has characters beyond printable ASCII", netname.Cut(name, maxName))
	}
	if len(name) > maxName {
		return fmt.Errorf("the name %q has more than %d characters", netname.Cut(name, maxShown), maxName)
	}
	_, err := netip.ParseAddr(name)
	switch {
	case name == "":
		return errors.New("the name is empty; write one, as in scanner-2nd-floor")
	case strings.Trim(name, " ") != name:
		return fmt.Errorf("the name %q begins or ends with a space", name)
	case err == nil:
		return fmt.Errorf("the name %q is an address, as clients without a name have it; choose another", name)
	case name == "other" || name == "unknown":
		return fmt.Errorf("the name %q has a meaning of its own in metrics; choose another", name)
	}
	return nil
}

// places reads with parse what is given under key: one value, or a list.
func (r *reader) places(n *yaml.Node, key string, parse func(string) (netip.Prefix, error)) []place {
	var all []place
	r.each(n, key, func(one *yaml.Node) {
		network, err := parse(one.Value)
		if err != nil {
			r.wrong(one, "%s", err)
			return
		}
		all = append(all, place{network: network, node: one})
	})
	return all
}

// hostPlaces reads the names in reverse DNS of a client: one, or a list.
func (r *reader) hostPlaces(n *yaml.Node) []place {
	var all []place
	r.each(n, "host", func(one *yaml.Node) {
		name := strings.ToLower(one.Value)
		_, err := netip.ParseAddr(name)
		switch {
		case err == nil:
			r.wrong(one, "%q is an address; give it as address, not as host", netname.Cut(one.Value, maxShown))
		case !netname.IsHost(name):
			r.wrong(one, "%q is not a host name; write one, as in printer-7.example.com", netname.Cut(one.Value, maxShown))
		default:
			all = append(all, place{host: name, node: one})
		}
	})
	return all
}

// claim remembers that a place belongs to its client. A place of two clients is a
// mistake: it is not clear whose options count.
func (r *reader) claim(p place) {
	key := cmp.Or(p.host, p.network.String())
	first, taken := r.owners[key]
	switch {
	case !taken:
		r.owners[key] = p
	case first.entry == p.entry:
		r.wrong(p.node, "%s is given twice for this client, first in line %d; remove one of the two", p.node.Value, first.node.Line)
	default:
		r.wrong(p.node, "%s of %s already belongs to %s in line %d; remove one of the two",
			p.node.Value, clientCalled(p.name), clientCalled(first.name), first.node.Line)
	}
}

func clientCalled(name string) string {
	if name == "" {
		return "the client without a name"
	}
	return strconv.Quote(name)
}

// parseAddress returns the network of one that has the address.
func parseAddress(s string) (netip.Prefix, error) {
	addr, err := netip.ParseAddr(s)
	_, networkErr := netip.ParsePrefix(s)
	switch {
	case networkErr == nil:
		return netip.Prefix{}, fmt.Errorf("%q is a network; give it as network, not as address", s)
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is not an address; write one, as in 192.168.20.31 or fd00::31", netname.Cut(s, maxShown))
	case addr.Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q must have its IPv4 form; write %s", s, addr.Unmap())
	case addr.Zone() != "":
		return netip.Prefix{}, fmt.Errorf("%q has a zone, and clients are found without it; write %s",
			netname.Cut(s, maxShown), addr.WithZone(""))
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(s)
	addr, addrErr := netip.ParseAddr(s)
	switch {
	case addrErr == nil && addr.Zone() == "": // a zone may hold a slash
		return netip.Prefix{}, fmt.Errorf("%q is an address; give it as address, not as network", netname.Cut(s, maxShown))
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is not a network; write one, as in 192.168.30.0/24 or fd00:30::/64", netname.Cut(s, maxShown))
	case network.Addr().Is4In6():
		// As such a client has its IPv4 address, the network would match nobody.
		return netip.Prefix{}, fmt.Errorf("%q must have its IPv4 form, as in 192.168.30.0/24", s)
	case network != network.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has an address within the network; write %s for the network", s, network.Masked())
	}
	return network, nil
}

func (r *reader) plaintext(n *yaml.Node) Plaintext {
	switch r.word(n, "plaintext", "allow", "refuse") {
	case "allow":
		return PlaintextAllow
	case "refuse":
		return PlaintextRefuse
	}
	return PlaintextUnset
}

// ciphers reports whether RC4 and DES are among them; the others are offered
// anyway.
func (r *reader) ciphers(n *yaml.Node) (rc4, des bool) {
	if !r.is(yaml.SequenceNode, n, "ciphers") {
		return false, false
	}
	if len(n.Content) == 0 {
		r.wrong(n, "ciphers is an empty list; name aes, 3des, rc4 or des, or remove it")
	}
	for _, c := range n.Content {
		switch r.word(c, "the cipher", "aes", "3des", "rc4", "des") {
		case "rc4":
			rc4 = true
		case "des":
			des = true
		}
	}
	return rc4, des
}

func (r *reader) hash(n *yaml.Node) Hash {
	switch r.word(n, "hash", "auto", "sha256", "sha1") {
	case "sha256":
		return HashSHA256
	case "sha1":
		return HashSHA1
	}
	return HashAuto
}

// day reads a date. Certificates have none before 1970 that all clients read.
func (r *reader) day(n *yaml.Node, key string) time.Time {
	if !r.is(yaml.ScalarNode, n, key) {
		return time.Time{}
	}
	day, err := time.Parse(time.DateOnly, n.Value)
	switch {
	case err != nil:
		r.wrong(n, "%s is %q; write a date, as in 2000-01-01", key, netname.Cut(n.Value, maxShown))
	case day.Unix() < 0 || day.Year() >= 2050:
		r.wrong(n, "%s is %q; write one from 1970-01-01 to 2049-12-31", key, n.Value)
	}
	return day
}

func (r *reader) leaf(n *yaml.Node) (l Leaf) {
	r.mapping(n, "leaf", []field{
		{"hash", func(v *yaml.Node) { l.Hash = r.hash(v) }},
		// What is no number is a problem already.
		{"bits", func(v *yaml.Node) { l.Bits, _ = strconv.Atoi(r.word(v, "bits", "2048", "1024")) }},
		{"chain", func(v *yaml.Node) { l.WithCA = r.word(v, "chain", "leaf", "leaf+ca") == "leaf+ca" }},
		{"not_before", func(v *yaml.Node) { l.NotBefore = r.day(v, "not_before") }},
	})
	return l
}
