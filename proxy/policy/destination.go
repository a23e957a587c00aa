package policy

import (
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// A Destination is a host and a port in the one form that is compared, dialled
// and shown. The zero value is no destination.
type Destination struct {
	Host string // lower-case A-labels, no trailing dot, never an IP address
	Port uint16 // never 0
}

// String returns host:port.
func (d Destination) String() string {
	return net.JoinHostPort(d.Host, strconv.Itoa(int(d.Port)))
}

// ParseDestination reads host:port, which is what a CONNECT request has, and normalises
// it. It does not say whether the destination is allowed. The error is an
// *Error.
func ParseDestination(hostport string) (Destination, error) {
	d, err := parseDestination(hostport)
	if err != nil {
		err.Asked = shortened(hostport)
		return Destination{}, err
	}
	return d, nil
}

func parseDestination(hostport string) (Destination, *Error) {
	if netname.IsAddress(hostport) {
		return Destination{}, &Error{Reason: record.ReasonDestinationIsAddress}
	}
	host, number, err := net.SplitHostPort(hostport)
	if err != nil {
		return Destination{}, invalid("it must be host:port")
	}
	// The brackets of an IPv6 address are gone now, but nothing else may
	// have them.
	if strings.HasPrefix(hostport, "[") && !netname.IsAddress(host) {
		return Destination{}, invalid("brackets are for IPv6 addresses only")
	}
	name, fault := normalise(host)
	if fault != nil {
		return Destination{}, fault
	}
	port, ok := parsePort(number)
	if !ok {
		return Destination{}, invalid("the port must be a number from 1 to 65535")
	}
	return Destination{Host: name, Port: port}, nil
}

func invalid(detail string) *Error {
	return &Error{Reason: record.ReasonDestinationInvalid, Detail: detail}
}

// parsePort accepts what RFC 3986 section 3.2.3 calls digits, but no leading
// zero: one number has one spelling.
func parsePort(s string) (uint16, bool) {
	if strings.HasPrefix(s, "0") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}

// normalise is netname.Host with the error of this package.
func normalise(host string) (string, *Error) {
	name, err := netname.Host(host)
	switch {
	case err == nil:
		return name, nil
	case errors.Is(err, netname.ErrAddress):
		return "", &Error{Reason: record.ReasonDestinationIsAddress}
	}
	return "", invalid(err.Error())
}
