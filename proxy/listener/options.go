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

// MarshalText returns the whole URL, as Parse reads it.
func (l URL) MarshalText() ([]byte, error) {
	q := l.options()
	if len(q) == 0 {
		return []byte(l.String()), nil
	}
	return []byte(l.String() + "?" + strings.ReplaceAll(q.Encode(), "%3A", ":")), nil
}

// options are the query parameters that are not at their default.
func (l URL) options() url.Values {
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
		q.Set("wait", l.Wait.String())
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
	known := schemeOptions[l.Scheme]
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
	known := schemeOptions[s]
	if len(known) == 0 {
		return fmt.Errorf("unknown option %q; %s:// has no options", key, s)
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
	case number == nil:
		return 0, fmt.Errorf("%q has no unit; write for example 200ms", s)
	case err != nil || wait <= 0 || wait > maxWait:
		return 0, fmt.Errorf("%q is not a time between 1ns and %s; write for example 200ms", s, maxWait)
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
		return fmt.Errorf("%q is not a port with its protocol, as in 2525:smtp; the protocols are smtp, smtps, imap, imaps, pop3, pop3s and tls", s)
	case l.Ports[port] != "":
		return fmt.Errorf("port %d is given twice", port)
	case l.Ports == nil:
		l.Ports = map[uint16]Scheme{}
	}
	l.Ports[port] = scheme
	return nil
}
