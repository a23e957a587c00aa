package settings

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A list is comma-separated. Blanks around the commas and empty elements do
// not matter. An error has a line for each wrong element.
type list[T any, P interface {
	*T
	encoding.TextUnmarshaler
}] []T

func (l *list[T, P]) UnmarshalText(text []byte) error {
	var elements []T
	var errs []error
	for part := range elementsOf(text) {
		var element T
		errs = append(errs, P(&element).UnmarshalText([]byte(part)))
		elements = append(elements, element)
	}
	if len(elements) == 0 {
		return errors.New("the list is empty")
	}
	*l = elements
	return errors.Join(errs...)
}

func elementsOf(text []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(string(text), ",") {
			if part = strings.TrimSpace(part); part != "" && !yield(part) {
				return
			}
		}
	}
}

// A network is a prefix; an address alone is a network of one.
type network netip.Prefix

func (n *network) UnmarshalText(text []byte) error {
	prefix, err := netip.ParsePrefix(string(text))
	if addr, addrErr := netip.ParseAddr(string(text)); addrErr == nil && addr.Zone() == "" {
		prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a network", text)
	case prefix.Addr().Is4In6():
		// Addresses of clients are compared in their IPv4 form.
		return fmt.Errorf("%q is an IPv4 network in IPv6 form", text)
	}
	*n = network(prefix.Masked())
	return nil
}

// networks is a list of them.
type networks []netip.Prefix

func (n *networks) UnmarshalText(text []byte) error {
	var parsed list[network, *network]
	if err := parsed.UnmarshalText(text); err != nil {
		return err
	}
	*n = make(networks, len(parsed))
	for i, p := range parsed {
		(*n)[i] = netip.Prefix(p)
	}
	return nil
}

// A cipher is a group of legacy cipher suites.
type cipher string

// The groups that are off unless the operator names them.
const (
	CipherRC4 cipher = "rc4"
	CipherDES cipher = "des"
)

func (c *cipher) UnmarshalText(text []byte) error {
	named := cipher(strings.ToLower(string(text)))
	if !slices.Contains([]cipher{"aes", "3des", CipherRC4, CipherDES}, named) {
		return fmt.Errorf("unknown cipher %q", text)
	}
	*c = named
	return nil
}

// A dhLength is the length of a group for DHE in bits.
type dhLength int

func (d *dhLength) UnmarshalText(text []byte) error {
	switch string(text) {
	case "1024":
		*d = 1024
	case "2048":
		*d = 2048
	default:
		return remedied{fmt.Errorf("%q is not supported; use 1024 or 2048", text)}
	}
	return nil
}

// A prefixLength is how many bits of an IPv6 address make a network.
type prefixLength int

func (l *prefixLength) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 8)
	if err != nil || n < 1 || n > 128 {
		return fmt.Errorf("%q is not a number of bits", text)
	}
	*l = prefixLength(n)
	return nil
}

// An Address is host:port to listen on.
type Address string

func (a *Address) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err != nil || strings.ContainsAny(host, "/ *") {
		return fmt.Errorf("%q is not an address with a port", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q has no port from 0 to 65535", text)
	}
	*a = Address(text)
	return nil
}

// IsAnyPort reports whether the system chooses the port.
func (a Address) IsAnyPort() bool { return strings.HasSuffix(string(a), ":0") }

// Host returns the host; empty means all addresses of the machine.
func (a Address) Host() string {
	host, _, _ := net.SplitHostPort(string(a)) // UnmarshalText has looked at it
	return host
}

// A hostName is a host name in its one form.
type hostName string

func (h *hostName) UnmarshalText(text []byte) error {
	name, err := netname.Host(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a host name: %w", netname.Cut(string(text), maxShown), err)
	}
	*h = hostName(name)
	return nil
}

// Hosts returns the names by which the admin address may be asked.
func (c *Config) Hosts() []string {
	all := []string{c.AdminListen.Host()}
	for _, h := range c.AdminHosts {
		all = append(all, string(h))
	}
	return all
}

// maxShown bounds what an error repeats of a name.
const maxShown = 300

// connections maps a destination to the address that is dialled instead.
type connections map[string]string

func (c *connections) UnmarshalText(text []byte) error {
	pairs := connections{}
	for part := range elementsOf(text) {
		from, to, found := strings.Cut(part, "=")
		if !found {
			return fmt.Errorf("%q is not host:port=addr:port", part)
		}
		if pairs[from] != "" {
			return fmt.Errorf("%q is given twice", from)
		}
		pairs[from] = to
	}
	if _, err := upstream.New(upstream.Config{ConnectTo: pairs}); err != nil {
		return err
	}
	*c = pairs
	return nil
}

// parseProxyURL reads the URL of an egress proxy. Its errors never show a
// password.
func parseProxyURL(s string) (any, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is not a URL", redactURL(s))
	}
	if _, err := upstream.New(upstream.Config{Proxy: u}); err != nil {
		return nil, fmt.Errorf("%q: %w", redactURL(s), err)
	}
	return *u, nil
}

// A Mark is what SO_MARK sets; see UPSTREAM_MARK.
type Mark struct {
	Auto  bool   // nobody has chosen a mark
	Value uint32 // zero means none
}

// AutoMark is the mark that nobody has chosen.
const AutoMark = 0x746c

func (m *Mark) UnmarshalText(text []byte) error {
	if strings.EqualFold(string(text), "auto") {
		*m = Mark{Auto: true, Value: AutoMark}
		return nil
	}
	n, err := strconv.ParseUint(string(text), 0, 32)
	if err != nil {
		return fmt.Errorf("%q is neither auto nor a number from 0 to 0xffffffff", text)
	}
	*m = Mark{Value: uint32(n)}
	return nil
}

// A count is above zero.
type count int

func (c *count) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n <= 0 {
		return fmt.Errorf("%q is not a whole number from 1 to 2147483647", text)
	}
	*c = count(n)
	return nil
}

// A timeout is above zero.
type timeout time.Duration

func (t *timeout) UnmarshalText(text []byte) error {
	d, err := parseDuration(text)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%q is not above zero", text)
	}
	if err != nil {
		return err
	}
	*t = timeout(d)
	return nil
}

// An expiry is zero, which means never, or above.
type expiry time.Duration

func (e *expiry) UnmarshalText(text []byte) error {
	d, err := parseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("%q is below zero", text)
	}
	if err != nil {
		return err
	}
	*e = expiry(d)
	return nil
}

// minInterval keeps a mistake from being an attack.
const minInterval = 10 * time.Second

// An interval is zero, which means never, or not too short.
type interval time.Duration

func (i *interval) UnmarshalText(text []byte) error {
	d, err := parseDuration(text)
	if err == nil && d != 0 && d < minInterval {
		err = fmt.Errorf("%q is less than %s", text, minInterval)
	}
	if err != nil {
		return err
	}
	*i = interval(d)
	return nil
}

// parseDuration reads a time with its unit. A number alone is most likely one of
// seconds.
func parseDuration(text []byte) (time.Duration, error) {
	d, err := time.ParseDuration(string(text))
	if err == nil {
		return d, nil
	}
	if n, err := strconv.ParseUint(string(text), 10, 32); err == nil {
		return 0, remedied{fmt.Errorf("%q has no unit; write %ds", text, n)}
	}
	return 0, fmt.Errorf("%q is not a time", text)
}

// A truth is what strconv.ParseBool takes.
type truth bool

func (t *truth) UnmarshalText(text []byte) error {
	b, err := strconv.ParseBool(string(text))
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", text)
	}
	*t = truth(b)
	return nil
}

// A logLevel is one of the four named levels; slog would take info+2 as well.
type logLevel slog.Level

func (l *logLevel) UnmarshalText(text []byte) error {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(string(text), level.String()) {
			*l = logLevel(level)
			return nil
		}
	}
	return fmt.Errorf("unknown level %q", text)
}

// A logFormat is how log lines are written.
type logFormat string

// The two formats.
const (
	LogText logFormat = "text"
	LogJSON logFormat = "json"
)

func (f *logFormat) UnmarshalText(text []byte) error {
	named := logFormat(strings.ToLower(string(text)))
	if named != LogText && named != LogJSON {
		return fmt.Errorf("unknown format %q", text)
	}
	*f = named
	return nil
}
