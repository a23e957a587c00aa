package m365

import (
	"errors"
	"fmt"

	"github.com/tlslift/tlslift/proxy/policy"
)

// A Policy allows what is in a list, and what the operator adds. Beyond that it
// has what the list says of mail, of addresses and of the names that they have.
// It does not change, and is safe for concurrent use.
type Policy struct {
	*policy.Policy
	list   List
	ranges []Range
}

// New returns the policy that allows the built-in list of an instance and extra.
func New(instance Instance, extra []policy.Endpoint) (*Policy, error) {
	list, err := BuiltIn(instance)
	if err != nil {
		return nil, err
	}
	return NewFrom(list, extra)
}

// NewFrom returns the policy that allows what is in a list, and extra.
func NewFrom(list List, extra []policy.Endpoint) (*Policy, error) {
	if len(list.rows) == 0 {
		return nil, errors.New("the list of endpoints is empty")
	}
	p := &Policy{list: list}
	var all []policy.Endpoint
	for _, r := range list.rows {
		endpoints, err := r.endpoints()
		if err != nil {
			return nil, err
		}
		all = append(all, endpoints...)
		if len(r.IPs) > 0 {
			p.ranges = append(p.ranges, Range{Area: r.Area, Source: r.source(), Prefixes: r.IPs, endpoints: endpoints})
		}
	}
	var err error
	p.Policy, err = policy.New(fmt.Sprintf("the list of Microsoft 365 (%s)", list.instance), append(all, extra...))
	if err != nil {
		return nil, err
	}
	return p, nil
}

// List returns the list that the policy was made from.
func (p *Policy) List() List { return p.list }

// allows reports whether a destination is allowed.
func (p *Policy) allows(host string, port uint16) bool {
	_, err := p.Check(host, port)
	return err == nil
}
