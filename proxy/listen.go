package proxy

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
)

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
	// Ports says what clients of redirect:// and tproxy:// speak to a port, where
	// that is not what the port is known for.
	Ports map[uint16]Scheme
	// SNI is where clients of redirect:// and tproxy:// are taken to lead that
	// send no server name and whose address tells none; empty refuses them.
	SNI string
	// PassOther relays connections of redirect:// and tproxy:// that lead to
	// where tlslift may not, untouched and to that very address.
	PassOther bool
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
