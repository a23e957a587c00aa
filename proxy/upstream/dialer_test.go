package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/tlslift/tlslift/proxy/record"

	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestNewRejects(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config Config
		want   string
	}{
		"left side":   {Config{ConnectTo: map[string]string{"mail": "192.0.2.1:443"}}, `connect-to: "mail" is not host:port`},
		"right side":  {Config{ConnectTo: map[string]string{"mail:443": "192.0.2.1"}}, `connect-to: mail:443: "192.0.2.1" is not host:port`},
		"twice":       {Config{ConnectTo: map[string]string{"mail:443": "a:1", "MAIL.:443": "b:1"}}, "connect-to: mail:443 is mapped twice"},
		"cache size":  {Config{SessionCacheSize: -1}, "session cache size"},
		"scheme":      {Config{Proxy: &url.URL{Scheme: "socks5", Host: "proxy:1080"}}, "egress proxy URL: the scheme"},
		"no host":     {Config{Proxy: &url.URL{Scheme: "http"}}, "egress proxy URL"},
		"proxy port":  {Config{Proxy: &url.URL{Scheme: "http", Host: "proxy:0"}}, "egress proxy URL: port 0"},
		"proxy path":  {Config{Proxy: &url.URL{Scheme: "http", Host: "proxy", Path: "/x"}}, "egress proxy URL: nothing may follow"},
		"proxy query": {Config{Proxy: &url.URL{Scheme: "http", Host: "proxy", RawQuery: "x"}}, "egress proxy URL: nothing may follow"},
		"colon": {Config{Proxy: &url.URL{Scheme: "http", Host: "proxy", User: url.UserPassword("a:b", "hunter2")}},
			"egress proxy URL: the user name"},
	}
	for name, test := range tests {
		_, err := New(test.config)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got error %v, want %q", name, err, test.want)
		}
	}
}

func TestDialMapped(t *testing.T) {
	t.Parallel()
	server := testenv.Serve(t, echo)
	byName := map[string]string{host + ":443": hostPort("localhost", port(server))}
	for name, connectTo := range map[string]map[string]string{"address": mapped(server), "name": byName} {
		d := newDialer(t, Config{ConnectTo: connectTo})
		conn, err := d.Dial(t.Context(), "Mail.Example.com.", 443)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer conn.Close()
		if _, is := conn.(*net.TCPConn); !is {
			t.Errorf("%s: got a %T, which cannot be spliced", name, conn)
		}
		wantEcho(t, conn)
	}
	d := newDialer(t, Config{ConnectTo: mapped(server)})
	conn, err := d.DialContext(t.Context(), "tcp", host+":443")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantEcho(t, conn)
	if _, err := d.DialContext(t.Context(), "udp", host+":443"); err == nil {
		t.Error("dialled over UDP")
	}
}

// TestDialResolved goes through a name server; the addresses marked forbidden
// stand for private ones.
func TestDialResolved(t *testing.T) {
	t.Parallel()
	server := testenv.Serve(t, echo)
	open, closed := port(server), closedPort(t)
	tests := map[string]struct {
		answer    answer
		port      uint16
		forbidden []string
		self      string
		want      record.Reason // empty: connects
	}{
		"works":         {answer: answer{addresses: []string{"127.0.0.1"}}, port: open},
		"first refuses": {answer: answer{addresses: []string{"127.0.0.2", "127.0.0.1"}}, port: open},
		"all refuse": {answer: answer{addresses: []string{"127.0.0.2", "127.0.0.1"}}, port: closed,
			want: record.ReasonUpstreamRefused},
		"first forbidden, then works": {answer: answer{addresses: []string{"127.0.0.2", "127.0.0.1"}}, forbidden: []string{"127.0.0.2"},
			port: open},
		"first forbidden, then refuse": {answer: answer{addresses: []string{"127.0.0.2", "127.0.0.1"}}, forbidden: []string{"127.0.0.2"},
			port: closed, want: record.ReasonUpstreamRefused},
		"refuses, then forbidden": {answer: answer{addresses: []string{"127.0.0.2", "127.0.0.1"}}, forbidden: []string{"127.0.0.1"}, port: open,
			want: record.ReasonUpstreamRefused},
		"all forbidden": {answer: answer{addresses: []string{"127.0.0.2", "127.0.0.1"}},
			forbidden: []string{"127.0.0.1", "127.0.0.2"}, port: open, want: record.ReasonAddressForbidden},
		"first is self, then works": {answer: answer{addresses: []string{"127.0.0.2", "127.0.0.1"}}, self: "127.0.0.2", port: open},
		"self": {answer: answer{addresses: []string{"127.0.0.1"}}, self: "127.0.0.1", port: open,
			want: record.ReasonDestinationIsSelf},
		"self and forbidden": {answer: answer{addresses: []string{"127.0.0.1"}}, self: "127.0.0.1", forbidden: []string{"127.0.0.1"},
			port: open, want: record.ReasonDestinationIsSelf},
		"does not exist":         {answer: answer{code: dnsmessage.RCodeNameError}, port: open, want: record.ReasonNameNotFound},
		"no address":             {answer: answer{}, port: open, want: record.ReasonNameNotFound},
		"server failure":         {answer: answer{code: dnsmessage.RCodeServerFailure}, port: open, want: record.ReasonDNSFailed},
		"refused by name server": {answer: answer{code: dnsmessage.RCodeRefused}, port: open, want: record.ReasonDNSFailed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDialer(t, Config{
				Resolver: nameServer(t, map[string]answer{host: test.answer}),
				IsSelf:   func(a netip.AddrPort) bool { return a.Addr().String() == test.self && a.Port() == open },
			})
			d.forbidden = except(test.forbidden...)
			conn, err := d.Dial(t.Context(), host, test.port)
			if test.want != "" {
				wantReason(t, err, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			wantEcho(t, conn)
		})
	}
}

// TestDialForbidden has the real rule: nothing may reach the server that
// listens on loopback.
func TestDialForbidden(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	server := testenv.Serve(t, func(net.Conn) { reached.Store(true) })
	for _, addresses := range [][]string{
		{"127.0.0.1"}, {"::1"}, {"0.0.0.0"}, {"::"}, {"::ffff:127.0.0.1"},
		{"10.0.0.1"}, {"169.254.169.254"}, {"fd00:ec2::254"}, {"fe80::1"},
		{"192.168.1.1", "127.0.0.1", "fd00::1", "::1"},
	} {
		d := newDialer(t, Config{Resolver: nameServer(t, map[string]answer{host: {addresses: addresses}})})
		_, err := d.Dial(t.Context(), host, port(server))
		wantReason(t, err, record.ReasonAddressForbidden)
	}
	d := newDialer(t, Config{})
	for _, literal := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254"} {
		_, err := d.Dial(t.Context(), literal, port(server))
		wantReason(t, err, record.ReasonAddressForbidden)
	}
	if reached.Load() {
		t.Error("a connection reached the server on loopback")
	}
}

// An address of this machine is as forbidden as a private one, however it is written,
// and from the moment at which an interface has it. None is dialled here: the
// addresses are public ones of others.
func TestDialForbidsThisMachine(t *testing.T) {
	t.Parallel()
	own := []net.Addr{&net.IPNet{IP: net.ParseIP("40.96.255.7"), Mask: net.CIDRMask(24, 32)}, network(t, "2603:1026:ffff:7::1f/64")}
	d := newDialer(t, Config{Resolver: nameServer(t, map[string]answer{
		"four.example.com": {addresses: []string{"40.96.255.7"}}, "six.example.com": {addresses: []string{"2603:1026:ffff:7::1f"}},
		"both.example.com":  {addresses: []string{"2603:1026:ffff:7::1f", "40.96.255.7"}},
		"nat64.example.com": {addresses: []string{"64:ff9b::2860:ff07"}},
	})})
	d.interfaces = func() ([]net.Addr, error) { return own, nil }
	for _, name := range []string{
		"four.example.com", "six.example.com", "both.example.com", "nat64.example.com",
		"40.96.255.7", "::ffff:40.96.255.7", "64:ff9b::40.96.255.7", "2603:1026:ffff:7::1f",
		"2603:1026:ffff:7::", // every router of the network
	} {
		_, err := d.Dial(t.Context(), name, 22)
		failure := wantReason(t, err, record.ReasonAddressForbidden)
		if !strings.Contains(failure.Error(), "is an address of this machine") {
			t.Errorf("%s: %v", name, failure)
		}
	}
	own = append(own, network(t, "40.96.255.8/32"))
	_, err := d.Dial(t.Context(), "40.96.255.8", 22)
	wantReason(t, err, record.ReasonAddressForbidden)

	broken := errors.New("no file")
	d.interfaces = func() ([]net.Addr, error) { return nil, broken }
	if _, err = d.Dial(t.Context(), "four.example.com", 22); !errors.Is(err, broken) {
		t.Errorf("nobody knows the addresses of this machine: %v", err)
	}
}

func network(t *testing.T, cidr string) *net.IPNet {
	t.Helper()
	ip, n, err := net.ParseCIDR(cidr)
	if err != nil {
		t.Fatal(err)
	}
	n.IP = ip
	return n
}

// What is near an address of this machine is not of this machine.
func TestAddressesOfOthers(t *testing.T) {
	t.Parallel()
	own := []net.Addr{
		network(t, "40.96.255.7/24"), network(t, "2603:1026:ffff:7::1f/64"), network(t, "2603:1026:ffff:9::2/127"), network(t, "fe80::1/64"),
	}
	for _, text := range []string{
		"40.96.255.0", "40.96.255.8", "2603:1026:ffff:7::20", "2603:1026:ffff:8::", "2603:1026:ffff:9::3",
		"64:ff9b::40.96.255.8", "64:ff9b:1::40.96.255.7", "::40.96.255.7", "fe80::",
	} {
		if isAmong(own, netip.MustParseAddr(text)) {
			t.Errorf("%s is an address of this machine", text)
		}
	}
}

// TestMappedGuards: what the operator maps may be private, but neither us nor
// the unspecified address that would lead to us.
func TestMappedGuards(t *testing.T) {
	t.Parallel()
	server := testenv.Serve(t, hang)
	isSelf := func(a netip.AddrPort) bool { return a == server.AddrPort() }
	d := newDialer(t, Config{ConnectTo: mapped(server), IsSelf: isSelf})
	_, err := d.Dial(t.Context(), host, 443)
	wantReason(t, err, record.ReasonDestinationIsSelf)

	unspecified := map[string]string{host + ":443": hostPort("0.0.0.0", port(server))}
	d = newDialer(t, Config{ConnectTo: unspecified, IsSelf: isSelf})
	_, err = d.Dial(t.Context(), host, 443)
	wantReason(t, err, record.ReasonAddressForbidden)

	inIPv6 := map[string]string{host + ":443": hostPort("::ffff:127.0.0.1", port(server))}
	d = newDialer(t, Config{ConnectTo: inIPv6, IsSelf: isSelf})
	_, err = d.Dial(t.Context(), host, 443)
	wantReason(t, err, record.ReasonDestinationIsSelf)
}

// TestHappyEyeballs: the first family does not answer until the second was
// tried, so only a dialer that tries both at once connects.
func TestHappyEyeballs(t *testing.T) {
	t.Parallel()
	server := testenv.ServeOn(t, "[::1]:0", hang)
	testenv.ServeOn(t, hostPort("127.0.0.1", port(server)), echo)
	triedIPv4 := make(chan struct{})
	d := newDialer(t, Config{Resolver: nameServer(t, map[string]answer{host: {addresses: []string{"::1", "127.0.0.1"}}})})
	d.forbidden = func(address netip.Addr) bool {
		if address.Is4() {
			close(triedIPv4)
			return false
		}
		<-triedIPv4
		return true
	}
	conn, err := d.Dial(t.Context(), host, port(server))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantEcho(t, conn)
}

// TestAbsoluteNames: the search list of resolv.conf never applies.
func TestAbsoluteNames(t *testing.T) {
	t.Parallel()
	d := newDialer(t, Config{Resolver: nameServer(t, nil)})
	_, err := d.Dial(t.Context(), "intranet", 443)
	wantReason(t, err, record.ReasonNameNotFound)
	var lookup *net.DNSError
	if !errors.As(err, &lookup) || lookup.Name != "intranet." {
		t.Errorf("got %v, want a lookup of the absolute name", err)
	}
}

func TestDialNotAName(t *testing.T) {
	t.Parallel()
	d := newDialer(t, Config{})
	for _, bad := range []string{"", ".", "a b", "a\r\nb", "fe80::1%lo", "a..b", strings.Repeat("a", 64) + ".example"} {
		_, err := d.Dial(t.Context(), bad, 443)
		failure := wantReason(t, err, record.ReasonNameNotFound)
		if strings.ContainsAny(failure.Error(), "\r\n") {
			t.Errorf("error is more than one line: %q", failure)
		}
	}
	_, err := d.DialContext(t.Context(), "tcp", "mail.example.com")
	wantReason(t, err, record.ReasonNameNotFound)
}

func TestDialUnreachable(t *testing.T) {
	t.Parallel()
	// TCP has no broadcast, so the kernel says no at once.
	d := newDialer(t, Config{ConnectTo: map[string]string{host + ":443": "255.255.255.255:443"}})
	_, err := d.Dial(t.Context(), host, 443)
	wantReason(t, err, record.ReasonUpstreamUnreachable)
}

func TestDialTimeout(t *testing.T) {
	t.Parallel()
	d := newDialer(t, Config{ConnectTo: map[string]string{host + ":443": "127.0.0.1:443"}})
	ctx, expire := newExpiring(t)
	expire()
	_, err := d.Dial(ctx, host, 443)
	wantReason(t, err, record.ReasonUpstreamTimeout)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v does not wrap context.DeadlineExceeded", err)
	}

	ctx, expire = newExpiring(t)
	d = newDialer(t, Config{Resolver: nameServer(t, map[string]answer{host: {silent: expire}})})
	_, err = d.Dial(ctx, host, 443)
	wantReason(t, err, record.ReasonDNSFailed)
}

func TestDialCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := newDialer(t, Config{Resolver: nameServer(t, map[string]answer{host: {silent: cancel}})})
	_, err := d.Dial(ctx, host, 443)
	if err != context.Canceled {
		t.Errorf("got %v, want context.Canceled as it is", err)
	}
}
