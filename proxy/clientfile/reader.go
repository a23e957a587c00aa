package clientfile

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/yamlfile"
)

const (
	maxClients = 10_000
	maxName    = 64
)

// A reader collects the clients of a file and the problems in it.
type reader struct {
	*yamlfile.Reader
	clients   map[netip.Prefix]Options
	hosts     map[string]Options
	names     map[string]int         // the line of each name
	described map[string]Description // by name
	owners    map[string]place       // where each network or host is given for the first time
}

// A place is an address, a network or a host of a client, and where it is given.
type place struct {
	network netip.Prefix
	host    string // empty for the others
	node    *yamlfile.Node
	entry   *yamlfile.Node // the client
	name    string         // of the client; empty if it has none
}

// what is what messages call a file.
const what = "a clients file"

// MaxFile is how many bytes a file may have.
const MaxFile = yamlfile.MaxFile

// Parse reads the text of a file: YAML in UTF-8, with or without a byte order
// mark. A text with nothing in it has no clients. The error has a line for each
// problem; see yamlfile.Parse.
func Parse(text []byte) (*Table, error) {
	r := reader{
		names: map[string]int{}, owners: map[string]place{}, clients: map[netip.Prefix]Options{}, hosts: map[string]Options{},
		described: map[string]Description{},
	}
	err := yamlfile.Parse(text, what, func(f *yamlfile.Reader, n *yamlfile.Node) {
		r.Reader = f
		r.file(n)
	})
	if err != nil {
		return nil, err
	}
	table := &Table{clients: r.clients, hosts: r.hosts, descriptions: r.described, names: make(map[string]bool, len(r.names))}
	for name := range r.names {
		table.names[name] = true
	}
	return table, nil
}

func (r *reader) file(n *yamlfile.Node) {
	r.Mapping(n, "the file", yamlfile.Key("clients", r.all))
}

// all reads the list of clients, which may be there with nothing in it.
func (r *reader) all(n *yamlfile.Node) {
	if yamlfile.IsNull(n) {
		return
	}
	all, ok := r.List(n, "clients")
	if !ok {
		return
	}
	if len(all) > maxClients {
		r.Wrong(all[maxClients], "there are more than %d clients; give networks instead of addresses", maxClients)
		return
	}
	for _, c := range all {
		r.client(c)
	}
}

func (r *reader) client(n *yamlfile.Node) {
	var o Options
	var ca CA
	var about Description
	var places []place
	given := r.Mapping(n, "a client",
		yamlfile.Key("name", func(v *yamlfile.Node) { o.Name = r.name(v) }),
		yamlfile.Key("address", func(v *yamlfile.Node) { places = append(places, r.places(v, "address", parseAddress)...) }),
		yamlfile.Key("network", func(v *yamlfile.Node) { places = append(places, r.places(v, "network", parseNetwork)...) }),
		yamlfile.Key("host", func(v *yamlfile.Node) { places = append(places, r.hostPlaces(v)...) }),
		yamlfile.Key("plaintext", func(v *yamlfile.Node) { o.Plaintext = r.plaintext(v) }),
		yamlfile.Key("to", func(v *yamlfile.Node) { o.To = r.routes(v) }),
		yamlfile.Key("ciphers", func(v *yamlfile.Node) { o.RC4, o.DES = r.ciphers(v) }),
		yamlfile.Key("dh_bits", func(v *yamlfile.Node) { o.DHBits, _ = strconv.Atoi(r.Word(v, "dh_bits", "1024", "2048")) }),
		yamlfile.Key("split_records", func(v *yamlfile.Node) { o.SplitRecords = r.Bool(v, "split_records") }),
		yamlfile.Key("record_size", func(v *yamlfile.Node) {
			o.RecordSize, _ = strconv.Atoi(r.Word(v, "record_size", "512", "1024", "2048", "4096"))
		}),
		yamlfile.Key("ca", func(v *yamlfile.Node) { ca = r.ca(v) }),
		yamlfile.Key("leaf", func(v *yamlfile.Node) { o.Leaf = r.leaf(v) }),
		yamlfile.Key("model", func(v *yamlfile.Node) { about.Model = r.words(v, "model", maxModel) }),
		yamlfile.Key("note", func(v *yamlfile.Node) { about.Note = r.words(v, "note", maxNote) }),
	)
	o.Leaf.CA = ca
	if given == nil {
		return
	}
	if !given["name"] {
		r.Wrong(n, "the client has no name; add one, for example name: scanner-2nd-floor")
	}
	if !given["address"] && !given["network"] && !given["host"] {
		r.Wrong(n, "the client has no address; add one, for example address: 192.168.20.31, or a network, for example network: 192.168.30.0/24")
	}
	if about != (Description{}) {
		r.described[o.Name] = about
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

func (r *reader) name(n *yamlfile.Node) string {
	if _, ok := r.Text(n, "name"); !ok {
		return ""
	}
	if err := checkName(n.Value); err != nil {
		r.Wrong(n, "%s", err)
		return ""
	}
	if line := r.names[n.Value]; line != 0 {
		r.Wrong(n, "the name %q is already taken in line %d; give each client its own", n.Value, line)
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
		return fmt.Errorf("the name %q has more than %d characters", yamlfile.Shown(name), maxName)
	}
	_, err := netip.ParseAddr(name)
	switch {
	case name == "":
		return errors.New("the name is empty; write one, for example scanner-2nd-floor")
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
func (r *reader) places(n *yamlfile.Node, key string, parse func(string) (netip.Prefix, error)) []place {
	var all []place
	r.Each(n, key, func(one *yamlfile.Node) {
		network, err := parse(one.Value)
		if err != nil {
			r.Wrong(one, "%s", err)
			return
		}
		all = append(all, place{network: network, node: one})
	})
	return all
}

// hostPlaces reads the names in reverse DNS of a client: one, or a list.
func (r *reader) hostPlaces(n *yamlfile.Node) []place {
	var all []place
	r.Each(n, "host", func(one *yamlfile.Node) {
		name := strings.ToLower(one.Value)
		_, err := netip.ParseAddr(name)
		switch {
		case err == nil:
			r.Wrong(one, "%q is an address; give it as address, not as host", yamlfile.Shown(one.Value))
		case !netname.IsHost(name):
			r.Wrong(one, "%q is not a host name; write one, for example printer-7.example.com", yamlfile.Shown(one.Value))
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
		r.Wrong(p.node, "%s is given twice for this client, first in line %d; remove one of the two", p.node.Value, first.node.Line)
	default:
		r.Wrong(p.node, "%s of %s already belongs to %s in line %d; remove one of the two",
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
		return netip.Prefix{}, fmt.Errorf("%q is not an address; write one, for example 192.168.20.31 or fd00::31", yamlfile.Shown(s))
	case addr.Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q must have its IPv4 form; write %s", s, addr.Unmap())
	case addr.Zone() != "":
		return netip.Prefix{}, fmt.Errorf("%q has a zone, and clients are found without it; write %s",
			yamlfile.Shown(s), addr.WithZone(""))
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(s)
	addr, addrErr := netip.ParseAddr(s)
	switch {
	case addrErr == nil && addr.Zone() == "": // a zone may hold a slash
		return netip.Prefix{}, fmt.Errorf("%q is an address; give it as address, not as network", yamlfile.Shown(s))
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is not a network; write one, for example 192.168.30.0/24 or fd00:30::/64", yamlfile.Shown(s))
	case network.Addr().Is4In6():
		// As such a client has its IPv4 address, the network would match nobody.
		return netip.Prefix{}, fmt.Errorf("%q must have its IPv4 form, for example 192.168.30.0/24", s)
	case network != network.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has an address within the network; write %s for the network", s, network.Masked())
	}
	return network, nil
}

func (r *reader) plaintext(n *yamlfile.Node) Plaintext {
	switch r.Word(n, "plaintext", "allow", "refuse") {
	case "allow":
		return PlaintextAllow
	case "refuse":
		return PlaintextRefuse
	}
	return PlaintextUnset
}

// ciphers reports whether RC4 and DES are among them; the others are offered
// anyway.
func (r *reader) ciphers(n *yamlfile.Node) (rc4, des bool) {
	all, ok := r.List(n, "ciphers")
	if !ok {
		return false, false
	}
	if len(all) == 0 {
		r.Wrong(n, "ciphers is an empty list; name aes, 3des, rc4 or des, or remove it")
	}
	for _, c := range all {
		switch r.Word(c, "the cipher", "aes", "3des", "rc4", "des") {
		case "rc4":
			rc4 = true
		case "des":
			des = true
		}
	}
	return rc4, des
}

func (r *reader) hash(n *yamlfile.Node) Hash {
	switch r.Word(n, "hash", "auto", "sha256", "sha1") {
	case "sha256":
		return HashSHA256
	case "sha1":
		return HashSHA1
	}
	return HashAuto
}

func (r *reader) keyType(n *yamlfile.Node) KeyType {
	switch r.Word(n, "key_type", "auto", "rsa", "ecdsa") {
	case "auto":
		return KeyTypeAuto
	case "rsa":
		return KeyTypeRSA
	case "ecdsa":
		return KeyTypeECDSA
	}
	return KeyTypeUnset
}

func (r *reader) ca(n *yamlfile.Node) CA {
	switch r.Word(n, "ca", "old", "new") {
	case "old":
		return CAOld
	case "new":
		return CANew
	}
	return CAUnset
}

// day reads a date. Certificates have none before 1970 that all clients read.
func (r *reader) day(n *yamlfile.Node, key string) time.Time {
	if _, ok := r.Text(n, key); !ok {
		return time.Time{}
	}
	day, err := time.Parse(time.DateOnly, n.Value)
	switch {
	case err != nil:
		r.Wrong(n, "%s is %q; write a date, for example 2000-01-01", key, yamlfile.Shown(n.Value))
	case day.Unix() < 0 || day.Year() >= 2050:
		r.Wrong(n, "%s is %q; write one from 1970-01-01 to 2049-12-31", key, n.Value)
	}
	return day
}

func (r *reader) leaf(n *yamlfile.Node) (l Leaf) {
	r.Mapping(n, "leaf",
		yamlfile.Key("hash", func(v *yamlfile.Node) { l.Hash = r.hash(v) }),
		yamlfile.Key("key_type", func(v *yamlfile.Node) { l.KeyType = r.keyType(v) }),
		// What is no number is a problem already.
		yamlfile.Key("bits", func(v *yamlfile.Node) { l.Bits, _ = strconv.Atoi(r.Word(v, "bits", "2048", "1024")) }),
		yamlfile.Key("chain", func(v *yamlfile.Node) { l.WithCA = r.Word(v, "chain", "leaf", "leaf+ca") == "leaf+ca" }),
		yamlfile.Key("not_before", func(v *yamlfile.Node) { l.NotBefore = r.day(v, "not_before") }),
	)
	return l
}
