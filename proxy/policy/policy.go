package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Policy is the set of destinations that tlslift may reach. It does not
// change, and is safe for concurrent use.
type Policy struct {
	list      string
	endpoints []Endpoint
	byDomain  map[string][]Endpoint // by the literal domain of the pattern
}

// New returns the policy that allows some endpoints and nothing else. A refusal
// says that the host is not in list, for example "the list of the company".
func New(list string, endpoints []Endpoint) (*Policy, error) {
	p := &Policy{list: list, endpoints: slices.Clone(endpoints), byDomain: make(map[string][]Endpoint)}
	for _, e := range p.endpoints {
		if e.pattern.domain == "" {
			return nil, errors.New("an endpoint is empty")
		}
		p.byDomain[e.pattern.domain] = append(p.byDomain[e.pattern.domain], e)
	}
	return p, nil
}

// Endpoints returns what is allowed, in the order in which New was given it.
func (p *Policy) Endpoints() []Endpoint { return slices.Clone(p.endpoints) }

// Matches returns the endpoints whose pattern matches a host, on whatever
// port, the most specific first. The error is an *Error: host is not the name
// of a host.
func (p *Policy) Matches(host string) ([]Endpoint, error) {
	name, fault := normalise(host)
	if fault != nil {
		fault.Asked = shortened(host)
		return nil, fault
	}
	var all []Endpoint
	p.eachMatch(name, func(e Endpoint) { all = append(all, e) })
	return all, nil
}

// HasPlainHTTP reports whether a host may be reached without TLS: on port 80, by an
// endpoint that has no other port. These are the hosts of revocation lists, OCSP and CA
// certificates; where TLS is an alternative, it is due.
func (p *Policy) HasPlainHTTP(host string) bool {
	all, err := p.Matches(host)
	return err == nil && slices.ContainsFunc(all, func(e Endpoint) bool { return e.Ports() == "80" })
}

// Check normalises a host and port that a client asked for, and allows or
// refuses them. The error is an *Error.
func (p *Policy) Check(host string, port uint16) (Destination, error) {
	name, fault := normalise(host)
	if fault == nil && port == 0 {
		fault = invalid("the port must be a number from 1 to 65535")
	}
	d := Destination{Host: name, Port: port}
	if fault == nil && !p.allows(d) {
		fault = p.refusal(d)
	}
	if fault != nil {
		fault.Asked = shortened(Destination{Host: host, Port: port}.String())
		return Destination{}, fault
	}
	return d, nil
}

func (p *Policy) allows(d Destination) bool {
	found := false
	p.eachMatch(d.Host, func(e Endpoint) {
		found = found || e.ports.Contain(d.Port)
	})
	return found
}

// refusal says why d, which is not allowed, is not.
func (p *Policy) refusal(d Destination) *Error {
	var others Ports
	p.eachMatch(d.Host, func(e Endpoint) {
		others = append(others, e.ports...)
	})
	if len(others) == 0 {
		return &Error{Reason: record.ReasonDestinationNotAllowed, Detail: fmt.Sprintf("the host is not in %s and was not added to it", p.list)}
	}
	return &Error{Reason: record.ReasonPortNotAllowed, Detail: others.sorted().String()}
}

// eachMatch calls do for the endpoints whose pattern matches host: it looks up
// host itself and each domain that host is below. It takes a function instead
// of returning an iterator, which would cost every check an allocation.
func (p *Policy) eachMatch(host string, do func(Endpoint)) {
	domain, rest := host, ""
	for more := true; more; {
		for _, e := range p.byDomain[domain] {
			if e.pattern.matches(rest) {
				do(e)
			}
		}
		_, domain, more = strings.Cut(domain, ".")
		rest = strings.TrimSuffix(host[:len(host)-len(domain)], ".")
	}
}

// Domains returns the fewest domains that cover every pattern, sorted, where a
// domain covers itself and all names below it: the dNSName constraints of RFC
// 5280 section 4.2.1.10.
func (p *Policy) Domains() []string { return p.DomainsOf(func(Endpoint) bool { return true }) }

// DomainsOf returns the same of the endpoints for which is returns true.
func (p *Policy) DomainsOf(is func(Endpoint) bool) []string {
	wanted := map[string]bool{}
	for domain, endpoints := range p.byDomain {
		if slices.ContainsFunc(endpoints, is) {
			wanted[domain] = true
		}
	}
	var all []string
	for domain := range wanted {
		if !coveredByParent(domain, wanted) {
			all = append(all, domain)
		}
	}
	slices.Sort(all)
	return all
}

// coveredByParent reports whether one of the domains is above domain.
func coveredByParent(domain string, domains map[string]bool) bool {
	for more := true; more; {
		_, domain, more = strings.Cut(domain, ".")
		if domains[domain] {
			return true
		}
	}
	return false
}
