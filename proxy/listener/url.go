package listener

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
)

// A URL is one listener as the operator writes it, as in
// "tls://:8443?to=outlook.office365.com:443". Its zero value listens nowhere.
type URL struct {
	Scheme Scheme
	// Address is host:port to listen on; an empty host means every address
	// of the machine.
	Address string
	// To is the fixed destination. Zero means with tls:// that the client's
	// server name decides, and with the mail protocols Microsoft 365's server.
	To policy.Destination
	// Port is the destination's port when the server name decides; zero
	// means 443.
	Port uint16
	// Plaintext lets clients of smtp://, imap:// and pop3:// go on without TLS, and
	// those of proxy:// ask for https without CONNECT.
	Plaintext bool
	// Ports has what clients of redirect:// and tproxy:// speak to ports whose
	// protocol is not the usual one.
	Ports map[uint16]Scheme
	// SNI is the host for clients of redirect:// and tproxy:// that send no server
	// name and whose original address is of no known host; empty refuses them.
	SNI string
	// Bypass relays unmatched connections of redirect:// and tproxy://, those to
	// other destinations than the allowed ones, untouched to their original
	// address.
	Bypass bool
	// Wait is how long smtp://, imap:// and pop3:// wait for a client that
	// begins with TLS before they send their greeting; zero means 200 ms, NoWait not
	// at all.
	Wait time.Duration
}

// defaultWait is above the round trip time of most networks, and too short to
// disturb clients that wait for the greeting.
const defaultWait = 200 * time.Millisecond

// NoWait is the Wait of a listener whose clients never begin with TLS.
const NoWait time.Duration = -1

// maxWait keeps clients from giving up on the greeting.
const maxWait = 30 * time.Second

// GreetingWait returns how long to wait for a client that begins with TLS before
// the greeting is sent; zero means not at all.
func (l URL) GreetingWait() time.Duration { return max(0, cmp.Or(l.Wait, defaultWait)) }

// String returns the URL without its options: the listener's name in logs
// and metrics.
func (l URL) String() string { return string(l.Scheme) + "://" + l.Address }

// UnmarshalText parses a listener URL.
func (l *URL) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*l = parsed
	return nil
}

// Parse parses and checks a listener URL. Its errors say what to
// write instead.
func Parse(s string) (URL, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return URL{}, fmt.Errorf("%q is not a listener URL; write for example proxy://127.0.0.1:3128", s)
	}
	l := URL{Scheme: Scheme(u.Scheme)}
	if !l.Scheme.known() {
		return URL{}, fmt.Errorf("%q: unknown scheme %q; known are %s", s, u.Scheme, knownSchemes())
	}
	if u.User != nil || (u.Path != "" && u.Path != "/") || u.Fragment != "" {
		return URL{}, fmt.Errorf("%q: a listener URL has only a scheme, an address and options", s)
	}
	if l.Address, err = listenAddress(u); err != nil {
		return URL{}, fmt.Errorf("%q: %w", s, err)
	}
	if err := l.setOptions(u.RawQuery); err != nil {
		return URL{}, fmt.Errorf("%q: %w", s, err)
	}
	return l, nil
}

func listenAddress(u *url.URL) (string, error) {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return "", fmt.Errorf("the address needs a port between 0 and 65535, for example %s://127.0.0.1:3128", u.Scheme)
	}
	host := u.Hostname()
	if strings.Contains(host, ":") && !strings.HasPrefix(u.Host, "[") {
		return "", fmt.Errorf("write an IPv6 address in brackets, for example %s://[::1]:3128", u.Scheme)
	}
	if strings.ContainsAny(host, "*%/\\ ,") {
		return "", fmt.Errorf("%q is not an address to listen on; leave it empty for every address", host)
	}
	return net.JoinHostPort(host, strconv.FormatUint(port, 10)), nil
}

// Check reports an error if p does not allow the destination that the options
// name.
func (l URL) Check(p *policy.Policy) error {
	if l.To != (policy.Destination{}) {
		if _, err := p.Check(l.To.Host, l.To.Port); err != nil {
			return fmt.Errorf("to=%s: %w", l.To, err)
		}
	}
	if l.SNI == "" {
		return nil
	}
	// The port is the client's, so that any port on which the host is allowed will do.
	_, err := p.Check(l.SNI, DefaultTLSPort)
	var refusal *policy.Error
	if errors.As(err, &refusal) && refusal.Reason != record.ReasonPortNotAllowed {
		return fmt.Errorf("sni=%s: %w", l.SNI, err)
	}
	return nil
}

// DefaultTLSPort is the destination's port when the server name decides and the
// listener names none.
const DefaultTLSPort = 443
