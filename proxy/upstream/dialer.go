// Package upstream is the egress: every connection that tlslift opens
// towards a destination is resolved, checked, dialled and verified here.
//
// It refuses to weaken anything on request: there is no way to switch off the
// verification of certificates, to go below TLS 1.2, or to reach loopback,
// private and other special addresses, or any address of this machine, unless
// the operator mapped the destination there.
package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
)

const defaultSessionCacheSize = 1024

// Config says how the destinations are reached. The zero value dials them
// directly and trusts the system's roots.
type Config struct {
	// Roots are the authorities trusted to sign the certificates of
	// destinations and of an https egress proxy; nil means the system's.
	Roots *x509.CertPool
	// Certificate is shown to destinations that ask for a client certificate and that
	// ShowsCertificate names; nil means that we have none.
	Certificate *tls.Certificate
	// ShowsCertificate reports whether a destination may see who we are; nil means that
	// none may.
	ShowsCertificate func(host string, port uint16) bool
	// Proxy is the egress proxy, http:// or https://, with the user name and
	// password in the URL if it wants them; nil means direct connections.
	// The proxy gets the destination's name unresolved, so checking the
	// addresses of a name is then the proxy's task.
	Proxy *url.URL
	// ConnectTo maps a destination "host:port" to the "address:port" that is
	// dialled in its place; the certificate is still checked for host. What
	// the operator maps may be a private address. A name on the right side is
	// looked up as written. Nil maps nothing.
	ConnectTo map[string]string
	// IsSelf reports whether an address is one of our own listeners, which are
	// never dialled; nil means that there are none.
	IsSelf func(netip.AddrPort) bool
	// Control is called with every socket before it connects, for options that
	// only the caller has; nil sets none. Its error is that of the dial.
	Control func(syscall.RawConn) error
	// Resolver looks up names; nil means net.DefaultResolver.
	Resolver *net.Resolver
	// SessionCacheSize is how many TLS sessions are kept for resumption; zero
	// means 1024.
	SessionCacheSize int
}

// A Dialer opens connections to destinations. It is safe for concurrent use.
type Dialer struct {
	roots        *x509.CertPool
	certificates []tls.Certificate
	shows        func(host string, port uint16) bool
	proxy        *egressProxy
	connectTo    map[endpoint]string
	isSelf       func(netip.AddrPort) bool
	forbidden    func(netip.Addr) bool
	interfaces   func() ([]net.Addr, error) // the addresses of this machine
	names        *names
	failed       *failures
	spare        spare
	connect      func(ctx context.Context, to netip.AddrPort, g *guard) (net.Conn, error)
	control      func(syscall.RawConn) error
	sessions     tls.ClientSessionCache
	configs      configs
}

// New returns a Dialer, or an error that names the wrong field of c.
func New(c Config) (*Dialer, error) {
	proxy, err := newEgressProxy(c.Proxy)
	if err != nil {
		return nil, fmt.Errorf("reading egress proxy URL: %w", err)
	}
	connectTo, err := parseConnectTo(c.ConnectTo)
	if err != nil {
		return nil, fmt.Errorf("reading connect-to: %w", err)
	}
	if c.SessionCacheSize < 0 {
		return nil, errors.New("session cache size is negative")
	}
	if c.SessionCacheSize == 0 {
		c.SessionCacheSize = defaultSessionCacheSize
	}
	if c.Control == nil {
		c.Control = func(syscall.RawConn) error { return nil }
	}
	if c.IsSelf == nil {
		c.IsSelf = func(netip.AddrPort) bool { return false }
	}
	d := &Dialer{
		roots:      c.Roots,
		proxy:      proxy,
		connectTo:  connectTo,
		isSelf:     c.IsSelf,
		forbidden:  netname.Special,
		interfaces: net.InterfaceAddrs,
		names:      newNames(c.Resolver),
		failed:     newFailures(),
		spare:      make(spare, maxSpare),
		connect:    connect,
		control:    c.Control,
		sessions:   tls.NewLRUClientSessionCache(c.SessionCacheSize),
	}
	if c.Certificate != nil && c.ShowsCertificate != nil {
		d.shows = c.ShowsCertificate
		d.certificates = []tls.Certificate{*c.Certificate}
	}
	return d, nil
}

func parseConnectTo(pairs map[string]string) (map[endpoint]string, error) {
	parsed := make(map[endpoint]string, len(pairs))
	for from, to := range pairs {
		destination, err := parseEndpoint(from)
		if err != nil {
			return nil, err
		}
		if _, twice := parsed[destination]; twice {
			return nil, fmt.Errorf("%s is mapped twice", destination)
		}
		if _, err := parseEndpoint(to); err != nil {
			return nil, fmt.Errorf("%s: %w", destination, err)
		}
		parsed[destination] = to
	}
	return parsed, nil
}

// Dial opens a TCP connection to host:port. All addresses of host are tried, each
// a moment after the one before, until ctx is done (RFC 8305). The connection is a
// *net.TCPConn unless an https egress proxy stands in between.
//
// The error is a *record.Failure, or ctx.Err() when ctx was cancelled.
func (d *Dialer) Dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	to, err := newEndpoint(host, port)
	if err != nil {
		return nil, notADestination(host, err)
	}
	conn, err := d.dial(ctx, to)
	if err != nil {
		return nil, failure(ctx, to, err, dialReason)
	}
	return conn, nil
}

// Addresses looks up where Dial would connect to for host:port. The error is a
// *record.Failure, or ctx.Err() when ctx was cancelled.
func (d *Dialer) Addresses(ctx context.Context, host string, port uint16) ([]netip.Addr, error) {
	to, err := newEndpoint(host, port)
	if err != nil {
		return nil, notADestination(host, err)
	}
	address, isMapped := d.connectTo[to]
	if !isMapped {
		address = to.absolute()
	}
	name, _, _ := net.SplitHostPort(address) // both forms are host:port
	found, err := d.names.all(ctx, name)
	if err != nil {
		return nil, failure(ctx, to, err, dialReason)
	}
	return found, nil
}

// DialContext is Dial in the form that http.Transport wants.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" {
		return nil, fmt.Errorf("dialing %q: network %q is not tcp", netname.Cut(address, maxShown), network)
	}
	to, err := parseEndpoint(address)
	if err != nil {
		return nil, notADestination(address, err)
	}
	return d.Dial(ctx, to.host, to.port)
}

func (d *Dialer) dial(ctx context.Context, to endpoint) (net.Conn, error) {
	mapped, isMapped := d.connectTo[to]
	switch {
	case d.proxy != nil && isMapped:
		return d.dialThroughProxy(ctx, mapped, d.operatorGuard())
	case d.proxy != nil:
		return d.dialThroughProxy(ctx, to.String(), d.guard())
	case isMapped:
		return d.dialAddress(ctx, mapped, d.operatorGuard())
	default:
		return d.dialAddress(ctx, to.absolute(), d.guard())
	}
}

// dialAddress dials address, which may hold a name, and lets g refuse what it
// resolves to.
func (d *Dialer) dialAddress(ctx context.Context, address string, g *guard) (net.Conn, error) {
	name, digits, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("reading address to connect to: %w", err)
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("reading port to connect to: %w", err)
	}
	if literal, err := netip.ParseAddr(name); err == nil {
		return d.connect(ctx, netip.AddrPortFrom(literal, uint16(port)), g)
	}
	return d.dialName(ctx, name, uint16(port), g)
}

// keepAlive is that of package net, but for how often the kernel asks in vain: to leave that
// to the kernel, whose value is the same, saves a system call.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: -1}

// connect connects to one address, unless g refuses it.
func connect(ctx context.Context, to netip.AddrPort, g *guard) (net.Conn, error) {
	dialer := net.Dialer{ControlContext: g.control, KeepAliveConfig: keepAlive}
	return dialer.DialContext(ctx, "tcp", to.String())
}
