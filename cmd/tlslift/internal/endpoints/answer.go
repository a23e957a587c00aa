package endpoints

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/printing"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
)

// An Answer reports whether clients may reach a destination.
type Answer struct {
	Asked   string `json:"asked"`
	Allowed bool   `json:"allowed"`
	// Says is one sentence.
	Says string `json:"says"`
	// Remedy is what to do if it is not allowed; empty otherwise.
	Remedy string `json:"remedy,omitempty"`
	// Name is the host that a client without a server name reaches at the address
	// that was asked for.
	Name      string     `json:"name,omitempty"`
	Endpoints []endpoint `json:"endpoints,omitempty"` // that allow it
}

// Answer returns whether what is asked for is allowed: a host, with or without a
// port, or an address. Its error says that it is none of these.
func (l *List) Answer(asked string) (Answer, error) {
	var got Answer
	var err error
	if addr, port, ok := addressOf(asked); ok {
		got = l.address(addr, port)
	} else if got, err = l.host(asked); err != nil {
		return Answer{}, err
	}
	got.Asked = asked
	return got, nil
}

// Print writes what is allowed, or in JSON every answer. Its error says that the
// destination is not allowed, and what to do.
func (a *Answer) Print(w io.Writer, asJSON bool) error {
	var err error
	if asJSON {
		err = printing.JSON(w, a)
	} else if a.Allowed {
		if _, err = fmt.Fprintf(w, "%s\n\n", a.Says); err == nil {
			err = printTable(w, a.Endpoints)
		}
	}
	if err == nil && !a.Allowed {
		err = errors.New(a.Says + "; " + a.Remedy)
	}
	return err
}

// addressOf reads an address; its port is zero if it has none.
func addressOf(s string) (addr netip.Addr, port uint16, ok bool) {
	if whole, err := netip.ParseAddrPort(s); err == nil {
		return whole.Addr().Unmap(), whole.Port(), true
	}
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return addr.Unmap(), 0, err == nil
}

// host answers for a host, with or without a port.
func (l *List) host(asked string) (Answer, error) {
	host, port := asked, uint16(0)
	if strings.Contains(asked, ":") {
		d, err := policy.ParseDestination(asked)
		if err != nil {
			return l.refused("", 0, err)
		}
		host, port = d.Host, d.Port
	}
	matches, err := l.policy.Matches(host)
	if err != nil {
		return l.refused(host, port, err)
	}
	if port == 0 && len(matches) > 0 {
		says := fmt.Sprintf("%s is allowed on ports %s.", host, policy.PortsOf(matches))
		return Answer{Allowed: true, Says: says, Endpoints: l.shown(matches)}, nil
	}
	// Without a port, any will do: no pattern matches the host.
	d, err := l.policy.Check(host, max(port, 1))
	if err != nil {
		return l.refused(host, port, err)
	}
	matches = slices.DeleteFunc(matches, func(e policy.Endpoint) bool { return !e.HasPort(port) })
	return Answer{Allowed: true, Says: d.String() + " is allowed.", Endpoints: l.shown(matches)}, nil
}

// refused returns why the policy refuses a destination. What is no destination at
// all is wrong usage.
func (l *List) refused(host string, port uint16, err error) (Answer, error) {
	var refusal *policy.Error
	if !errors.As(err, &refusal) || refusal.Reason == record.ReasonDestinationInvalid {
		return Answer{}, err
	}
	got := Answer{Says: refusal.Error()}
	target := host + ":PORT"
	if port != 0 {
		target = policy.Destination{Host: host, Port: port}.String()
	} else {
		got.Says = strings.Replace(got.Says, host+":1", host, 1)
	}
	add := fmt.Sprintf("add %s to %sDESTINATIONS", target, settings.Prefix)
	switch {
	case refusal.Reason == record.ReasonDestinationIsAddress:
		got.Remedy = "let the client ask for the host's name"
	case refusal.Reason == record.ReasonPortNotAllowed:
		got.Remedy = "let the client use one of these, or " + add
	case l.refresh:
		got.Remedy = "if clients need it, " + add
	default:
		got.Remedy = fmt.Sprintf("if Microsoft has published it since, set %sM365_REFRESH=true; otherwise, if clients need it, %s",
			settings.Prefix, add)
	}
	for _, omission := range l.policy.List().Omissions() {
		if omission.Host == host {
			got.Says += fmt.Sprintf(" (Microsoft publishes it in row %d; it is left out because %s)", omission.Row, omission.Why)
		}
	}
	return got, nil
}

// address answers for an address: which host a client without a server name reaches
// there.
func (l *List) address(addr netip.Addr, port uint16) Answer {
	var sources []string
	for _, r := range l.policy.Ranges() {
		if r.Contains(addr) && (port == 0 || r.HasPort(port)) {
			sources = append(sources, r.Source)
		}
	}
	where := addr.String()
	if port != 0 {
		where = netip.AddrPortFrom(addr, port).String()
	}
	published := slices.DeleteFunc(l.policy.Endpoints(), func(e policy.Endpoint) bool {
		return !slices.Contains(sources, e.Source())
	})
	got := Answer{Endpoints: l.shown(published)}
	says := fmt.Sprintf("%s is published in %s", where, strings.Join(sources, " and "))
	name, found := l.policy.NameAt(netip.AddrPortFrom(addr, port))
	switch {
	case len(sources) == 0:
		got.Says = where + " is not an address that Microsoft publishes for a host and port that are allowed"
		got.Remedy = "let the client ask for the host's name, and ask here whether that is allowed"
	case port == 0:
		got.Says, got.Remedy = says, "ask again with the port, for example "+netip.AddrPortFrom(addr, 443).String()
	case !found:
		got.Says = says + ", where each tenant has a name of its own"
		got.Remedy = "a client without a server name cannot be served there; let the client send the server name"
	default:
		got.Allowed, got.Name = true, name.String()
		got.Says = fmt.Sprintf("%s; a client without a server name reaches %s there.", says, name)
	}
	return got
}
