package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// maxNameLength is the longest name in DNS (RFC 1035 section 2.3.4), without
// the trailing dot.
const maxNameLength = 253

// An endpoint is a destination in its one spelling: a lower-case name without
// trailing dot or an IP address, and a port.
type endpoint struct {
	host string
	port uint16
}

func newEndpoint(host string, port uint16) (endpoint, error) {
	if port == 0 {
		return endpoint{}, errors.New("port 0 cannot be dialled")
	}
	if address, err := netip.ParseAddr(host); err == nil && address.Zone() == "" {
		return endpoint{address.String(), port}, nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	emptyLabel := strings.Contains("."+name+".", "..")
	if emptyLabel || len(name) > maxNameLength || strings.ContainsFunc(name, isNotNameRune) {
		return endpoint{}, fmt.Errorf("%.300q is not a host name", host)
	}
	return endpoint{name, port}, nil
}

func parseEndpoint(hostPort string) (endpoint, error) {
	host, digits, err := net.SplitHostPort(hostPort)
	if err != nil {
		return endpoint{}, fmt.Errorf("%.300q is not host:port", hostPort)
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return endpoint{}, fmt.Errorf("%.300q has no valid port", hostPort)
	}
	return newEndpoint(host, uint16(port))
}

// isNotNameRune allows what host names are made of, and the underscore that
// some have. What else could be in a name would be dangerous in a CONNECT
// request.
func isNotNameRune(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '.', r == '_':
		return false
	}
	return true
}

func (e endpoint) String() string {
	return net.JoinHostPort(e.host, strconv.Itoa(int(e.port)))
}

// absolute is e for a lookup: the trailing dot keeps the machine's search
// list away from a name that a client chose. Names in /etc/hosts still match
// when they have a dot inside; Go finds one-label names there, as localhost,
// only without the trailing dot.
func (e endpoint) absolute() string {
	if _, err := netip.ParseAddr(e.host); err == nil {
		return e.String()
	}
	return net.JoinHostPort(e.host+".", strconv.Itoa(int(e.port)))
}
