package checkclient

import (
	"cmp"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/netname"
)

// listeners returns those that the client uses; before it has connected, all of them.
func (s *subject) listeners() []listener.URL {
	if s.seen == nil || len(s.seen.Listeners) == 0 {
		return s.cfg.Listen
	}
	uses := func(l listener.URL) bool {
		_, port, err := net.SplitHostPort(l.Address)
		return err == nil && slices.ContainsFunc(s.seen.Listeners, func(used string) bool {
			return strings.HasPrefix(used, string(l.Scheme)+"://") && strings.HasSuffix(used, ":"+port)
		})
	}
	var used []listener.URL
	for _, l := range s.cfg.Listen {
		if uses(l) {
			used = append(used, l)
		}
	}
	if len(used) == 0 {
		return s.cfg.Listen
	}
	return used
}

// panels returns what to type, for each listener.
func (s *subject) panels() []Panel {
	all := []Panel{}
	for _, l := range s.listeners() {
		host, port, err := net.SplitHostPort(l.Address)
		if err != nil {
			continue // checked before
		}
		typed := fields{}
		switch {
		case l.Scheme.Transparent():
			typed.add("server", "what it has: a firewall redirects it here")
			typed.add("gateway", "the machine with the firewall rules, or a route to it")
		case l.Scheme == listener.SchemeProxy:
			typed.add("proxy", s.server(host))
			typed.add("port", port)
			typed.add("sign_in", "none for the proxy; at Microsoft 365 as before")
		case l.Scheme.Mail() != "":
			typed.add("server", s.server(host))
			typed.add("port", port)
			typed.add("encryption", s.encryption(l))
			s.addSignIn(&typed)
		default:
			typed.add("server", s.server(host))
			typed.add("port", port)
			typed.add("encryption", "SSL/TLS (implicit TLS)")
		}
		all = append(all, Panel{Listener: l.String(), Type: typed})
	}
	return all
}

// encryption returns the mode to choose.
func (s *subject) encryption(l listener.URL) string {
	if l.Scheme.ImplicitTLS() {
		return "SSL/TLS (implicit TLS)"
	}
	mode := "STARTTLS, or SSL/TLS (implicit TLS) on the same port"
	if s.options.Plaintext == clientfile.PlaintextAllow || l.Plaintext && s.options.Plaintext != clientfile.PlaintextRefuse {
		mode += "; none if it has no other"
	}
	return mode
}

// addSignIn adds what the device signs in with.
func (s *subject) addSignIn(typed *fields) {
	switch {
	case s.signsIn && s.mailbox != nil:
		typed.add("sign_in", "none: tlslift knows it by its address")
		typed.add("sender", s.mailbox.Address)
	case s.signsIn && s.seen != nil && s.seen.Login != "":
		typed.add("user", s.seen.Login)
		typed.add("password", "the one that was given to tlslift password for this login")
		typed.add("sender", s.seen.Mailbox)
	case s.signsIn:
		typed.add("user", "its login in the sign-in file")
		typed.add("password", "the one that was given to tlslift password for this login")
		typed.add("sender", "the address of its mailbox")
	default:
		typed.add("user", "the mailbox's user name, as before")
		typed.add("password", "the mailbox's password, as before")
	}
	typed.add("authentication", "LOGIN or PLAIN; not NTLM, Kerberos or OAuth")
}

// server returns how the client reaches this machine: at the address of the listener, or at
// all addresses of the machine, that in the client's network first.
func (s *subject) server(host string) string {
	addr, err := netip.ParseAddr(host)
	switch {
	case host != "" && (err != nil || !addr.IsUnspecified()):
		if err == nil && addr.IsLoopback() {
			return host + ", which only this machine reaches: set an address of the network in TLSLIFT_LISTEN"
		}
		return host
	}
	var names []string
	for _, p := range s.addresses() {
		names = append(names, p.Addr().String())
	}
	if name, err := s.machine.Hostname(); err == nil && netname.IsHost(strings.ToLower(name)) && strings.Contains(name, ".") {
		names = append(names, name)
	}
	if len(names) == 0 {
		return "the name or address of this machine"
	}
	return strings.Join(names, " or ")
}

// maxAddresses is how many addresses of the machine are named.
const maxAddresses = 3

// addresses returns the addresses of this machine that others may reach: those in the
// network of the client first, and those of IPv4 before others.
func (s *subject) addresses() (all []netip.Prefix) {
	interfaces, err := s.machine.Addresses()
	if err != nil {
		return nil
	}
	for _, a := range interfaces {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().IsGlobalUnicast() {
			all = append(all, p)
		}
	}
	rank := func(p netip.Prefix) int {
		switch {
		case s.addr.IsValid() && p.Contains(s.addr):
			return 0
		case p.Addr().Is4():
			return 1
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b netip.Prefix) int { return cmp.Compare(rank(a), rank(b)) })
	if len(all) > 0 && rank(all[0]) == 0 {
		return all[:1]
	}
	return all[:min(len(all), maxAddresses)]
}

// certificate returns which CA the client has to trust, and where it is.
func (s *subject) certificate() string {
	if s.seen != nil && !s.seen.Legacy && !s.signsIn && s.seen.LastLifted.IsZero() && !s.seen.LastGood.IsZero() {
		return "none: the connections of the client are passed untouched"
	}
	form := ""
	switch {
	case !s.options.Leaf.NotBefore.IsZero():
		form = " (the backdated form)"
	case s.options.Leaf.Hash == clientfile.HashSHA1:
		form = " (the form signed with SHA-1)"
	}
	where := "import tlslift's CA" + form + " if it checks certificates: "
	if s.cfg.PublicListen != "" {
		host, port, err := net.SplitHostPort(string(s.cfg.PublicListen))
		if err == nil {
			at, _, _ := strings.Cut(s.server(host), " or ")
			return where + "http://" + net.JoinHostPort(at, port) + "/ca"
		}
	}
	file := filepath.Join(s.cfg.StateDir, "ca", "ca.pem")
	if s.caAddress != "" {
		return where + s.caAddress + ", or the file " + file
	}
	return where + "the file " + file
}
