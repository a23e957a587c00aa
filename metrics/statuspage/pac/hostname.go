package pac

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tlslift/tlslift/proxy/netname"
)

// A HostName is a host name or an IP address without brackets, of characters
// that mean nothing to a shell or to JavaScript.
type HostName string

// RequestHost returns the host of a request's Host header, without the port,
// if it is one.
func RequestHost(r *http.Request) (HostName, bool) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	return parseHost(host)
}

func parseHost(s string) (HostName, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return HostName(a.WithZone("").String()), true
	}
	if !netname.IsHost(strings.ToLower(strings.TrimSuffix(s, "."))) {
		return "", false
	}
	return HostName(s), true
}

// WithPort returns host:port with the port of the request.
func (h HostName) WithPort(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		return h.bracketed()
	}
	for _, digit := range port {
		if digit < '0' || digit > '9' {
			return h.bracketed()
		}
	}
	return net.JoinHostPort(string(h), port)
}

func (h HostName) bracketed() string {
	if strings.Contains(string(h), ":") {
		return "[" + string(h) + "]"
	}
	return string(h)
}

// loopback reports whether only this machine can connect to it.
func (h HostName) loopback() bool {
	a, err := netip.ParseAddr(string(h))
	return err == nil && a.IsLoopback() || strings.EqualFold(string(h), "localhost")
}
