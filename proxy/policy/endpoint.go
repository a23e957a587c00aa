package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Operator is the source of the endpoints that ParseEndpoint returns.
const Operator = "operator"

// An Endpoint is one allowed host pattern with its ports. The zero value
// allows nothing, and New refuses it.
type Endpoint struct {
	pattern Pattern
	ports   Ports
	source  string
}

// Pattern returns the host pattern.
func (e Endpoint) Pattern() string { return e.pattern.String() }

// Ports returns the ports, sorted: numbers and ranges, comma-separated.
func (e Endpoint) Ports() string { return e.ports.String() }

// HasPort reports whether a port is among them.
func (e Endpoint) HasPort(port uint16) bool { return e.ports.Contain(port) }

// Domain returns the literal domain that the pattern ends with; all of a pattern
// without a *.
func (e Endpoint) Domain() string { return e.pattern.domain }

// IsExact reports whether the pattern has no *.
func (e Endpoint) IsExact() bool { return e.pattern.IsExact() }

// PortsOf returns the ports of all of the endpoints, as Ports does.
func PortsOf(endpoints []Endpoint) string {
	var all Ports
	for _, e := range endpoints {
		all = append(all, e.ports...)
	}
	return all.sorted().String()
}

// Source returns where the endpoint comes from: Operator, or what NewEndpoint was
// given.
func (e Endpoint) Source() string { return e.source }

// String returns pattern:ports.
func (e Endpoint) String() string { return e.Pattern() + ":" + e.Ports() }

// ParseEndpoint reads an endpoint as an operator writes it: a host pattern, a
// colon, and a port or a range of ports, for example *.example.com:443 or
// mail.example.com:587-588. A host with several ports has several endpoints.
func ParseEndpoint(s string) (Endpoint, error) {
	e, err := parseEndpoint(strings.TrimSpace(s))
	if err != nil {
		return Endpoint{}, fmt.Errorf("reading destination %q: %w", s, err)
	}
	return e, nil
}

func parseEndpoint(s string) (Endpoint, error) {
	i := strings.LastIndexByte(s, ':')
	if _, err := netip.ParseAddr(s); err == nil || i < 0 {
		// Without a port, an address is still the more telling complaint.
		if _, err := ParsePattern(s); err != nil {
			return Endpoint{}, err
		}
		return Endpoint{}, errors.New("a port is missing: write host:port")
	}
	return NewEndpoint(s[:i], s[i+1:], Operator)
}

// NewEndpoint returns an endpoint of a host pattern and a list of ports, as
// ParsePattern and ParsePorts read them, that comes from source.
func NewEndpoint(host, list, source string) (Endpoint, error) {
	p, err := ParsePattern(host)
	if err != nil {
		return Endpoint{}, err
	}
	allowed, err := ParsePorts(list)
	if err != nil {
		return Endpoint{}, err
	}
	return Endpoint{pattern: p, ports: allowed, source: source}, nil
}

// UnmarshalText is ParseEndpoint.
func (e *Endpoint) UnmarshalText(text []byte) error {
	parsed, err := ParseEndpoint(string(text))
	if err != nil {
		return err
	}
	*e = parsed
	return nil
}
