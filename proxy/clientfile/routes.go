package clientfile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/yamlfile"
)

// Routes are the destinations of a client, in place of those of the listeners that it
// connects to: at most one for each protocol. The zero value leaves all as the listeners
// say.
//
// They never change what a client itself asks for, which is the target of a CONNECT
// request, the address that a firewall has redirected, and a server name where that
// decides.
type Routes struct {
	SMTP, IMAP, POP3 policy.Destination
	// TLS is for tls:// listeners whose destination's port is not that of a mail server.
	TLS policy.Destination
}

// of returns the place of the destination for what is spoken on a port, and how it is
// called.
func (r *Routes) of(port uint16) (*policy.Destination, string) {
	switch listener.MailPort(port).Mail() {
	case record.ProtocolSMTP:
		return &r.SMTP, "SMTP"
	case record.ProtocolIMAP:
		return &r.IMAP, "IMAP"
	case record.ProtocolPOP3:
		return &r.POP3, "POP3"
	}
	return &r.TLS, "tls:// listeners"
}

// Fixed returns the destination of the client at a listener; zero if the client's server
// name decides there.
func (r Routes) Fixed(l listener.URL) policy.Destination {
	if l.To == (policy.Destination{}) {
		return l.To
	}
	return cmp.Or(r.at(l, l.To.Port), l.To)
}

// ByName returns the destination of the client at a tls:// listener where the server name
// decides: the route counts for a client that sends none. It returns zero if there is
// neither.
func (r Routes) ByName(l listener.URL, serverName string) policy.Destination {
	port := cmp.Or(l.Port, listener.DefaultTLSPort)
	if serverName == "" {
		return r.at(l, port)
	}
	return policy.Destination{Host: serverName, Port: port}
}

// at returns the route at a listener whose own destination has a port; zero if there is
// none. A tls:// listener cannot begin with STARTTLS.
func (r Routes) at(l listener.URL, port uint16) policy.Destination {
	switch l.Scheme.Mail() {
	case record.ProtocolSMTP:
		return r.SMTP
	case record.ProtocolIMAP:
		return r.IMAP
	case record.ProtocolPOP3:
		return r.POP3
	}
	to, _ := r.of(port)
	if l.Scheme != listener.SchemeTLS || listener.STARTTLSPort(to.Port) != "" {
		return policy.Destination{}
	}
	return *to
}

// All returns the routes that there are.
func (r Routes) All() []policy.Destination {
	return slices.DeleteFunc([]policy.Destination{r.SMTP, r.IMAP, r.POP3, r.TLS}, func(d policy.Destination) bool {
		return d == policy.Destination{}
	})
}

// String returns them as a list.
func (r Routes) String() string {
	var texts []string
	for _, to := range r.All() {
		texts = append(texts, to.String())
	}
	return strings.Join(texts, ", ")
}

// routes reads where a client is to go: one destination, or a list.
func (r *reader) routes(n *yamlfile.Node) Routes {
	var all Routes
	r.Each(n, "to", func(one *yamlfile.Node) {
		to, err := policy.ParseDestination(one.Value)
		if err != nil {
			r.Wrong(one, "to: %s; write one, for example smtp.hve.mx.microsoft:587", err)
			return
		}
		place, protocol := all.of(to.Port)
		if *place != (policy.Destination{}) {
			r.Wrong(one, "to has two destinations for %s, %s and %s; remove one of the two", protocol, *place, to)
			return
		}
		*place = to
	})
	return all
}

// Routes returns the routes of the clients that have any, by name.
func (t *Table) Routes() map[string]Routes {
	all := map[string]Routes{}
	if t == nil {
		return all
	}
	add := func(o Options) {
		if o.To != (Routes{}) {
			all[o.Name] = o.To
		}
	}
	for _, o := range t.clients {
		add(o)
	}
	for _, o := range t.hosts {
		add(o)
	}
	return all
}

// Check reports an error with a line for each destination of a client that p does not
// allow.
func (t *Table) Check(p *policy.Policy) error {
	routes := t.Routes()
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		for _, to := range routes[name].All() {
			if _, err := p.Check(to.Host, to.Port); err != nil {
				wrong = append(wrong, fmt.Sprintf("client %q: to=%s: %s", name, to, err))
			}
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return errors.New(strings.Join(wrong, "\n"))
}

// Unused returns the routes, with the names of their clients, that no listener has a use
// for, sorted.
func (t *Table) Unused(listeners []listener.URL) []string {
	var all []string
	for name, routes := range t.Routes() {
		for _, to := range routes.All() {
			if !slices.ContainsFunc(listeners, func(l listener.URL) bool { return routes.has(l, to) }) {
				all = append(all, fmt.Sprintf("client %q: to=%s", name, to))
			}
		}
	}
	slices.Sort(all)
	return all
}

// has reports whether to is the route at a listener. A mail listener without a
// destination gets that of Microsoft 365.
func (r Routes) has(l listener.URL, to policy.Destination) bool {
	return r.at(l, cmp.Or(l.To.Port, l.Port, listener.DefaultTLSPort)) == to
}
