package listener

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
)

// An Option is a query parameter of listener URLs.
type Option struct {
	Name    string
	Value   string // the form of its value
	Default string // what holds without it
	Meaning string // one paragraph; code stands between backquotes
	Schemes []Scheme
	// Example is a value that differs from the default. Tests use it.
	Example string
}

var (
	mailSchemes        = []Scheme{SchemeSMTP, SchemeSMTPS, SchemeIMAP, SchemeIMAPS, SchemePOP3, SchemePOP3S}
	startTLSSchemes    = []Scheme{SchemeSMTP, SchemeIMAP, SchemePOP3}
	transparentSchemes = []Scheme{SchemeRedirect, SchemeTPROXY}
)

// options is the one table of options. A new option gets a row here, a field of URL,
// a case in setOption and its way back in query: TestOptions fails while one of them
// is missing. Then `go test ./cmd/tlslift -update` writes it into the documents.
var options = []Option{
	{
		Name: "to", Value: "`host:port`", Default: "see the table of listeners",
		Meaning: "the one destination of this listener; a mail listener begins there with implicit TLS on the ports 465, 993 and 995, " +
			"and with STARTTLS on all others",
		Schemes: append([]Scheme{SchemeTLS}, mailSchemes...), Example: "mail.example.com:465",
	},
	{
		Name: "port", Value: "a port", Default: "`443`",
		Meaning: "the destination's port, where the client's server name (SNI) says the host; not together with `to`",
		Schemes: []Scheme{SchemeTLS}, Example: "993",
	},
	{
		Name: "ports", Value: "`port:protocol`",
		Default: "25 and 587 `smtp`, 465 `smtps`, 143 `imap`, 993 `imaps`, 110 `pop3`, 995 `pop3s`, others `tls`",
		Meaning: "which protocol clients speak that were going to this port, for example `2525:smtp`; may be repeated",
		Schemes: transparentSchemes, Example: "2525:smtp",
	},
	{
		Name: "sni", Value: "a host name", Default: "such clients are refused",
		Meaning: "the host for clients that send no server name (SNI) and whose original address is of no known host",
		Schemes: transparentSchemes, Example: "mail.example.com",
	},
	{
		Name: "unmatched", Value: "`bypass` or `refuse`", Default: "`refuse`",
		Meaning: "what happens to clients that are out of scope, since their destination is not allowed or they use no TLS: " +
			"`bypass` relays them untouched to their original address, unless that is a private address or comes from a PROXY header",
		Schemes: transparentSchemes, Example: "bypass",
	},
	{
		Name: "plaintext", Value: "`allow` or `refuse`", Default: "`refuse`",
		Meaning: "`allow` also serves clients that use no TLS, in `proxy` those that ask for `https://` addresses without CONNECT; " +
			"their passwords cross the network unprotected",
		Schemes: slices.Concat([]Scheme{SchemeProxy}, startTLSSchemes, transparentSchemes), Example: "allow",
	},
	{
		Name: "wait", Value: "a time", Default: "`200ms`",
		Meaning: "how long to wait for a client that begins with implicit TLS, before the greeting is sent; less for clients " +
			"that are known to wait for it; `0` for a port on which all clients use STARTTLS",
		Schemes: slices.Concat(startTLSSchemes, transparentSchemes), Example: "1s",
	},
}

// Options returns the table of options.
func Options() []Option { return slices.Clone(options) }

// optionsOf returns the names of the options that a scheme has.
func optionsOf(s Scheme) []string {
	var names []string
	for _, o := range options {
		if slices.Contains(o.Schemes, s) {
			names = append(names, o.Name)
		}
	}
	return names
}

// MarshalText returns the whole URL, as Parse reads it.
func (l URL) MarshalText() ([]byte, error) {
	q := l.query()
	if len(q) == 0 {
		return []byte(l.String()), nil
	}
	return []byte(l.String() + "?" + strings.ReplaceAll(q.Encode(), "%3A", ":")), nil
}

// query returns the options that are not at their default.
func (l URL) query() url.Values {
	q := url.Values{}
	if l.To != (policy.Destination{}) {
		q.Set("to", l.To.String())
	}
	if l.Port != 0 {
		q.Set("port", strconv.Itoa(int(l.Port)))
	}
	if l.Plaintext {
		q.Set("plaintext", "allow")
	}
	if l.Wait != 0 {
		q.Set("wait", max(0, l.Wait).String())
	}
	for port, scheme := range l.Ports {
		q.Add("ports", fmt.Sprintf("%d:%s", port, scheme))
	}
	slices.Sort(q["ports"])
	if l.SNI != "" {
		q.Set("sni", l.SNI)
	}
	if l.Bypass {
		q.Set("unmatched", "bypass")
	}
	return q
}

// setOptions reads the query parameters and rejects those that the scheme does not
// have, so that a misspelt option is not silently ignored.
func (l *URL) setOptions(rawQuery string) error {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return fmt.Errorf("reading the options: %w", err)
	}
	known := optionsOf(l.Scheme)
	for key, values := range query {
		switch {
		case !slices.Contains(known, key):
			return unknownOption(l.Scheme, key)
		case len(values) > 1 && key != "ports":
			return fmt.Errorf("option %q is given twice", key)
		}
		for _, value := range values {
			if err := l.setOption(key, value); err != nil {
				return fmt.Errorf("option %q: %w", key, err)
			}
		}
	}
	if l.To != (policy.Destination{}) && l.Port != 0 {
		return fmt.Errorf("option %q only makes sense without %q", "port", "to")
	}
	if mail := STARTTLSPort(cmp.Or(l.To.Port, l.Port)); mail != "" && l.Scheme == SchemeTLS {
		return fmt.Errorf("port %d uses STARTTLS, and tls:// is for implicit TLS; write %ss:// instead", cmp.Or(l.To.Port, l.Port), mail)
	}
	return nil
}

func unknownOption(s Scheme, key string) error {
	known := optionsOf(s)
	if len(known) == 1 {
		return fmt.Errorf("unknown option %q; the only option of %s:// is %s", key, s, known[0])
	}
	return fmt.Errorf("unknown option %q; the options of %s:// are %s", key, s, strings.Join(known, ", "))
}

func (l *URL) setOption(key, value string) (err error) {
	switch key {
	case "to":
		l.To, err = policy.ParseDestination(value)
	case "port":
		l.Port, err = parsePort(value)
	case "plaintext":
		l.Plaintext, err = oneOf(value, "allow", "refuse")
	case "unmatched":
		l.Bypass, err = oneOf(value, "bypass", "refuse")
	case "sni":
		l.SNI, err = hostName(value)
	case "wait":
		l.Wait, err = parseWait(value)
	case "ports":
		err = l.setPort(value)
	}
	return err
}

func parsePort(s string) (uint16, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("%q is not a port", s)
	}
	return uint16(port), nil
}

// oneOf reports whether value is yes; no is the default.
func oneOf(value, yes, no string) (bool, error) {
	if value != yes && value != no {
		return false, fmt.Errorf("write %s, or %s, which is the default", yes, no)
	}
	return value == yes, nil
}

// hostName reads a host name as a destination's; any port makes it one.
func hostName(s string) (string, error) {
	d, err := policy.ParseDestination(s + ":443")
	return d.Host, err
}

func parseWait(s string) (time.Duration, error) {
	wait, err := time.ParseDuration(s)
	switch _, number := strconv.ParseFloat(s, 64); {
	case err == nil && wait == 0:
		return NoWait, nil
	case number == nil:
		return 0, fmt.Errorf("%q has no unit; write for example 200ms", s)
	case err != nil || wait < 0 || wait > maxWait:
		return 0, fmt.Errorf("%q is not a time between 0s and %s; write for example 200ms", s, maxWait)
	}
	return wait, nil
}

// setPort reads port:protocol.
func (l *URL) setPort(s string) error {
	number, protocol, _ := strings.Cut(s, ":")
	port, err := parsePort(number)
	scheme, ok := portScheme(protocol)
	switch {
	case err != nil || !ok:
		return fmt.Errorf("%q is not a port with its protocol, for example 2525:smtp; the protocols are smtp, smtps, imap, imaps, "+
			"pop3, pop3s and tls", s)
	case l.Ports[port] != "":
		return fmt.Errorf("port %d is given twice", port)
	case l.Ports == nil:
		l.Ports = map[uint16]Scheme{}
	}
	l.Ports[port] = scheme
	return nil
}
