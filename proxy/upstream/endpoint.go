package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/proxy/netname"
)

// maxShown bounds what an error repeats of a name, which is at most 253 bytes
// long if it is one.
const maxShown = 300

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
	if !netname.IsHost(name) {
		return endpoint{}, fmt.Errorf("%q is not a host name", netname.Cut(host, maxShown))
	}
	return endpoint{name, port}, nil
}

func parseEndpoint(hostPort string) (endpoint, error) {
	host, digits, err := net.SplitHostPort(hostPort)
	if err != nil {
		return endpoint{}, fmt.Errorf("%q is not host:port", netname.Cut(hostPort, maxShown))
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return endpoint{}, fmt.Errorf("%q has no valid port", netname.Cut(hostPort, maxShown))
	}
	return newEndpoint(host, uint16(port))
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
