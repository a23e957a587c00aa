package policy

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
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

// ParseDestination reads host:port, as in a CONNECT request, and normalises
// it. It does not say whether the destination is allowed. The error is an
// *Error.
func ParseDestination(hostport string) (Destination, error) {
	d, err := parseDestination(hostport)
	if err != nil {
		err.Asked = printable(hostport)
		return Destination{}, err
	}
	return d, nil
}

func parseDestination(hostport string) (Destination, *Error) {
	if isIP(hostport) {
		return Destination{}, &Error{Kind: IsAddress}
	}
	host, number, err := net.SplitHostPort(hostport)
	if err != nil {
		return Destination{}, invalid("it must be host:port")
	}
	// The brackets of an IPv6 address are gone now, but nothing else may
	// have them.
	if strings.HasPrefix(hostport, "[") && !isIP(host) {
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
	return &Error{Kind: Invalid, Detail: detail}
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

// Limits of RFC 1035 section 2.3.4, less the length bytes and the root.
const (
	maxName  = 253
	maxLabel = 63
	// maxRaw bounds the work of IDNA mapping, in which a name may shrink.
	maxRaw = 4 * maxName
)

// normalise returns host as lower-case A-labels without the trailing dot. A
// host that is already so is returned without an allocation.
func normalise(host string) (string, *Error) {
	switch {
	case host == "":
		return "", invalid("the host name is empty")
	case len(host) > maxRaw:
		return "", invalid("the host name is too long")
	case strings.Contains(host, ":") && isIP(host):
		// Addresses with dots are left to checkName, which knows more forms.
		return "", &Error{Kind: IsAddress}
	}
	name, ok := toASCII(host)
	if !ok {
		return "", invalid("the host is not a valid internationalised name (RFC 5891)")
	}
	name = strings.TrimSuffix(name, ".")
	if fault := checkName(name); fault != nil {
		return "", fault
	}
	return name, nil
}

// toASCII lowers ASCII names by itself and leaves the others to IDNA, which
// must also see A-labels: not everything behind xn-- is one.
func toASCII(host string) (string, bool) {
	lower, ascii := strings.ToLower(host), true
	for i := range len(host) {
		ascii = ascii && host[i] < 0x80
	}
	if ascii && !strings.Contains(lower, "xn--") {
		return lower, true
	}
	if !utf8.ValidString(host) {
		return "", false // IDNA would read the stray bytes as U+FFFD
	}
	name, err := idna.Lookup.ToASCII(host)
	return name, err == nil
}

// checkName holds name to RFC 1123 section 2.1, with the underscore that names
// in private networks have, and refuses what a resolver may read as an address.
func checkName(name string) *Error {
	if len(name) > maxName {
		return invalid("the host name is too long")
	}
	label := ""
	for rest, more := name, true; more; {
		label, rest, more = strings.Cut(rest, ".")
		if fault := checkLabel(label); fault != nil {
			return fault
		}
	}
	if isNumber(label) {
		return &Error{Kind: IsAddress}
	}
	return nil
}

func checkLabel(label string) *Error {
	switch {
	case label == "":
		return invalid("the host name has an empty label")
	case len(label) > maxLabel:
		return invalid("the host name has a label of more than 63 bytes")
	case label[0] == '-' || label[len(label)-1] == '-':
		return invalid("a label of the host name begins or ends with a hyphen")
	}
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && !isDigit(c) && c != '-' && c != '_' {
			return invalid("the host name has a character other than letters, digits, hyphens and underscores")
		}
	}
	return nil
}

// isIP reports whether s is an address in a notation of RFC 4291 section 2.2
// or RFC 3986 section 3.2.2.
func isIP(s string) bool {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}

// isNumber reports whether a last label makes the name an IPv4 address for
// inet_aton: 127.1, 0x7f.1, 0177.0.0.1 and 2130706433 are all loopback. No
// top-level domain looks like that.
func isNumber(label string) bool {
	digits, hex := strings.CutPrefix(label, "0x")
	for i := range len(digits) {
		c := digits[i]
		if !isDigit(c) && (!hex || c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
