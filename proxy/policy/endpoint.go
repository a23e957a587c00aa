package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// operator is the source of endpoints that are not in the table.
const operator = "operator"

// An Endpoint is one allowed host pattern with its ports. The zero value
// allows nothing, and New refuses it.
type Endpoint struct {
	pattern pattern
	ports   ports
	source  string
}

// Pattern returns the host pattern.
func (e Endpoint) Pattern() string { return e.pattern.String() }

// Ports returns the ports, sorted: numbers and ranges, comma-separated.
func (e Endpoint) Ports() string { return e.ports.String() }

// HasPort says whether a port is among them.
func (e Endpoint) HasPort(port uint16) bool { return e.ports.contain(port) }

// PortsOf returns the ports of all of the endpoints, as Ports does.
func PortsOf(endpoints []Endpoint) string {
	var all ports
	for _, e := range endpoints {
		all = append(all, e.ports...)
	}
	return all.sorted().String()
}

// Source returns where the endpoint comes from: "row 10, Exchange",
// "supplement, Exchange" or "operator".
func (e Endpoint) Source() string { return e.source }

// String returns pattern:ports.
func (e Endpoint) String() string { return e.Pattern() + ":" + e.Ports() }

// ParseEndpoint reads an endpoint as an operator writes it: a host pattern, a
// colon, and a port or a range of ports, as in *.example.com:443 or
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
		if _, err := parsePattern(s); err != nil {
			return Endpoint{}, err
		}
		return Endpoint{}, errors.New("a port is missing: write host:port")
	}
	return newEndpoint(s[:i], s[i+1:], operator)
}

func newEndpoint(host, list, source string) (Endpoint, error) {
	p, err := parsePattern(host)
	if err != nil {
		return Endpoint{}, err
	}
	allowed, err := parsePorts(list)
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
