package proxy

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/prologue"
)

// A Scheme is the protocol a listener speaks with its clients.
type Scheme string

// The schemes.
const (
	// SchemeProxy is an HTTP proxy: CONNECT, and absolute-form http requests.
	SchemeProxy Scheme = "proxy"
	// SchemeTLS expects a ClientHello at once.
	SchemeTLS Scheme = "tls"
	// The mail protocols, opening in plaintext until STARTTLS. A client that
	// begins with TLS is served too.
	SchemeSMTP Scheme = "smtp"
	SchemeIMAP Scheme = "imap"
	SchemePOP3 Scheme = "pop3"
	// The mail protocols inside TLS from the first byte (RFC 8314).
	SchemeSMTPS Scheme = "smtps"
	SchemeIMAPS Scheme = "imaps"
	SchemePOP3S Scheme = "pop3s"
)

// mail is the mail protocol of a scheme; empty for others.
func (s Scheme) mail() prologue.Protocol {
	switch s {
	case SchemeSMTP, SchemeSMTPS:
		return prologue.SMTP
	case SchemeIMAP, SchemeIMAPS:
		return prologue.IMAP
	case SchemePOP3, SchemePOP3S:
		return prologue.POP3
	}
	return ""
}

// implicitTLS says whether clients begin with TLS.
func (s Scheme) implicitTLS() bool {
	switch s {
	case SchemeTLS, SchemeSMTPS, SchemeIMAPS, SchemePOP3S:
		return true
	}
	return false
}

// listenOptions are the query parameters that each scheme knows.
var listenOptions = map[Scheme][]string{
	SchemeProxy: {},
	SchemeTLS:   {"to", "port"},
	SchemeSMTP:  {"to", "plaintext", "wait"},
	SchemeIMAP:  {"to", "plaintext", "wait"},
	SchemePOP3:  {"to", "plaintext", "wait"},
	SchemeSMTPS: {"to"},
	SchemeIMAPS: {"to"},
	SchemePOP3S: {"to"},
}

// A ListenURL is one listener as the operator writes it, as in
// "tls://:8443?to=outlook.office365.com:443". Its zero value listens nowhere.
type ListenURL struct {
	Scheme Scheme
	// Address is host:port to listen on; an empty host means every address
	// of the machine.
	Address string
	// To is the fixed destination. Zero means with tls:// that the client's
	// server name decides, and with the mail protocols Microsoft 365's.
	To policy.Destination
	// Port is the destination's port when the server name decides; zero
	// means 443.
	Port uint16
	// Plaintext lets clients of smtp://, imap:// and pop3:// go on without TLS.
	Plaintext bool
	// Wait is how long smtp://, imap:// and pop3:// wait for a client that
	// begins with TLS before they send their greeting; zero means 200 ms.
	Wait time.Duration
}

// defaultWait is above the round trip time of most networks; clients that wait
// for the greeting do not notice it.
const defaultWait = 200 * time.Millisecond

// maxWait keeps clients from giving up on the greeting.
const maxWait = 30 * time.Second

func (l ListenURL) wait() time.Duration { return cmp.Or(l.Wait, defaultWait) }

// String returns the URL without its options: the listener's name in logs
// and metrics.
func (l ListenURL) String() string { return string(l.Scheme) + "://" + l.Address }

// MarshalText returns the whole URL; ParseListenURL understands it.
func (l ListenURL) MarshalText() ([]byte, error) {
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
	if len(q) == 0 {
		return []byte(l.String()), nil
	}
	return []byte(l.String() + "?" + strings.ReplaceAll(q.Encode(), "%3A", ":")), nil
}

// UnmarshalText parses a listener URL.
func (l *ListenURL) UnmarshalText(text []byte) error {
	parsed, err := ParseListenURL(string(text))
	if err != nil {
		return err
	}
	*l = parsed
	return nil
}

// ParseListenURL parses and checks a listener URL. Its errors say what to
// write instead.
func ParseListenURL(s string) (ListenURL, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return ListenURL{}, fmt.Errorf("%q is not a listener URL; write for example proxy://127.0.0.1:3128", s)
	}
	l := ListenURL{Scheme: Scheme(u.Scheme)}
	if _, known := listenOptions[l.Scheme]; !known {
		return ListenURL{}, fmt.Errorf("%q: unknown scheme %q; known are %s", s, u.Scheme, knownSchemes())
	}
	if u.User != nil || (u.Path != "" && u.Path != "/") || u.Fragment != "" {
		return ListenURL{}, fmt.Errorf("%q: a listener URL has only a scheme, an address and options", s)
	}
	if l.Address, err = listenAddress(u); err != nil {
		return ListenURL{}, fmt.Errorf("%q: %w", s, err)
	}
	if err := l.setOptions(u.RawQuery); err != nil {
		return ListenURL{}, fmt.Errorf("%q: %w", s, err)
	}
	return l, nil
}

func knownSchemes() string {
	names := make([]string, 0, len(listenOptions))
	for s := range listenOptions {
		names = append(names, string(s)+"://")
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func listenAddress(u *url.URL) (string, error) {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return "", fmt.Errorf("the address needs a port between 0 and 65535, as in %s://127.0.0.1:3128", u.Scheme)
	}
	host := u.Hostname()
	if strings.Contains(host, ":") && !strings.HasPrefix(u.Host, "[") {
		return "", fmt.Errorf("write an IPv6 address in brackets, as in %s://[::1]:3128", u.Scheme)
	}
	if strings.ContainsAny(host, "*%/\\ ,") {
		return "", fmt.Errorf("%q is not an address to listen on; leave it empty for every address", host)
	}
	return net.JoinHostPort(host, strconv.FormatUint(port, 10)), nil
}

// setOptions reads the query parameters and rejects what the scheme does not
// know, so that a misspelt option is not silently ignored.
func (l *ListenURL) setOptions(rawQuery string) error {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return fmt.Errorf("reading the options: %w", err)
	}
	known := listenOptions[l.Scheme]
	for key, values := range query {
		switch {
		case !slices.Contains(known, key):
			return unknownOption(l.Scheme, key)
		case len(values) > 1:
			return fmt.Errorf("option %q is given twice", key)
		}
		if err := l.setOption(key, values[0]); err != nil {
			return err
		}
	}
	if l.To != (policy.Destination{}) && l.Port != 0 {
		return fmt.Errorf("option %q only makes sense without %q", "port", "to")
	}
	if mail := plaintextPorts[cmp.Or(l.To.Port, l.Port)]; mail != "" && l.Scheme == SchemeTLS {
		return fmt.Errorf("port %d begins in plaintext, which tls:// does not speak; write %ss:// instead", cmp.Or(l.To.Port, l.Port), mail)
	}
	return nil
}

func unknownOption(s Scheme, key string) error {
	known := listenOptions[s]
	if len(known) == 0 {
		return fmt.Errorf("unknown option %q; %s:// has no options", key, s)
	}
	return fmt.Errorf("unknown option %q; %s:// knows %s", key, s, strings.Join(known, ", "))
}

func (l *ListenURL) setOption(key, value string) error {
	switch key {
	case "to":
		to, err := policy.ParseDestination(value)
		if err != nil {
			return fmt.Errorf("option %q: %w", key, err)
		}
		l.To = to
	case "port":
		port, err := strconv.ParseUint(value, 10, 16)
		if err != nil || port == 0 {
			return fmt.Errorf("option %q: %q is not a port", key, value)
		}
		l.Port = uint16(port)
	case "plaintext":
		if value != "allow" && value != "refuse" {
			return fmt.Errorf("option %q: write allow, or refuse, which is the default", key)
		}
		l.Plaintext = value == "allow"
	case "wait":
		wait, err := time.ParseDuration(value)
		if err != nil || wait <= 0 || wait > maxWait {
			return fmt.Errorf("option %q: %q is not a time above zero and up to %s, as in 200ms", key, value, maxWait)
		}
		l.Wait = wait
	}
	return nil
}
