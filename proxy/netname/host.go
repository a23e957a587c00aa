package netname

import (
	"errors"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrAddress is the error of Host for an IP address, in any notation that a
// resolver may read as one.
var ErrAddress = errors.New("the host is an IP address")

// The other errors of Host. Each completes "… is not valid: ".
var (
	errEmpty     = errors.New("the host name is empty")
	errLong      = errors.New("the host name is too long")
	errIDNA      = errors.New("the host is not a valid internationalised name (RFC 5891)")
	errNoLabel   = errors.New("the host name has an empty label")
	errLongLabel = errors.New("the host name has a label of more than 63 bytes")
	errHyphen    = errors.New("a label of the host name begins or ends with a hyphen")
	errCharacter = errors.New("the host name has a character other than letters, digits, hyphens and underscores")
)

// Limits of RFC 1035 section 2.3.4, less the length bytes and the root.
const (
	maxName  = 253
	maxLabel = 63
	// maxRaw bounds the work of IDNA mapping, in which a name may shrink.
	maxRaw = 4 * maxName
)

// Host returns a host name in its one form: lower-case A-labels without the
// trailing dot. The error is ErrAddress for an IP address, and otherwise says
// what is wrong with the name. A name that is already in this form is returned
// without an allocation.
func Host(s string) (string, error) {
	switch {
	case s == "":
		return "", errEmpty
	case len(s) > maxRaw:
		return "", errLong
	case strings.Contains(s, ":") && IsAddress(s):
		// Addresses with dots are left to check, which has more notations.
		return "", ErrAddress
	}
	name, ok := toASCII(s)
	if !ok {
		return "", errIDNA
	}
	name = strings.TrimSuffix(name, ".")
	if err := check(name); err != nil {
		return "", err
	}
	return name, nil
}

// IsHost reports whether s is a host name in the form that Host returns. It is
// for names that are stored or come from certificates and name servers, which
// are not mapped by IDNA: an A-label is held to its characters only.
func IsHost(s string) bool { return check(s) == nil }

// toASCII lowers ASCII names by itself and leaves the others to IDNA, which
// must also see A-labels: not everything after xn-- is one.
func toASCII(host string) (string, bool) {
	lower, ascii := strings.ToLower(host), true
	for i := range len(host) {
		ascii = ascii && host[i] < utf8.RuneSelf
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

// check holds name to RFC 1123 section 2.1, with the underscore that names
// in private networks have, and refuses what a resolver may read as an address.
func check(name string) error {
	if len(name) > maxName {
		return errLong
	}
	label := ""
	for rest, more := name, true; more; {
		label, rest, more = strings.Cut(rest, ".")
		if err := checkLabel(label); err != nil {
			return err
		}
	}
	if isNumber(label) {
		return ErrAddress
	}
	return nil
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return errNoLabel
	case len(label) > maxLabel:
		return errLongLabel
	case label[0] == '-' || label[len(label)-1] == '-':
		return errHyphen
	}
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && !isDigit(c) && c != '-' && c != '_' {
			return errCharacter
		}
	}
	return nil
}

// IsAddress reports whether s is an address in a notation of RFC 4291 section
// 2.2 or RFC 3986 section 3.2.2, the latter with brackets.
func IsAddress(s string) bool {
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
