package proxy_test

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// redirectedTo opens a connection as a balancer does that says where the client
// was going.
func (w *world) redirectedTo(original string) *net.TCPConn {
	w.t.Helper()
	conn := dial(w.t, w.tls)
	to := netip.MustParseAddrPort(original)
	family, from := "TCP4", "127.0.0.9"
	if to.Addr().Is6() {
		family, from = "TCP6", "::1"
	}
	if _, err := fmt.Fprintf(conn, "PROXY %s %s %s 50000 %d\r\n", family, from, to.Addr(), to.Port()); err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// newRedirectWorld has clients behind a balancer. Every destination leads to
// the echoing server; the operator's name is at 203.0.113.7.
func newRedirectWorld(t *testing.T, l listener.URL, server *fakem365.Server, fake *fakem365.Service, mail ...*fakem365.MailServer) *world {
	t.Helper()
	l.Scheme, l.Address = listener.SchemeRedirect, "127.0.0.1:0"
	return newWorld(t, fake, server.Addr(), func(c *proxy.Config) {
		own, err := policy.ParseEndpoint(operatorHost + ":443")
		if err != nil {
			t.Fatal(err)
		}
		if c.Policy, err = m365.New(m365.Worldwide, []policy.Endpoint{own}); err != nil {
			t.Fatal(err)
		}
		c.Listeners = []listener.URL{l}
		c.TrustedProxies = loopback
		c.Upstream.ConnectTo = map[string]string{
			operatorHost + ":443": server.Addr(), "login.microsoftonline.com:443": server.Addr(),
			target: server.Addr(), "203.0.113.8:443": server.Addr(),
		}
		for i, host := range []string{mailHost, legacyHost}[:len(mail)] {
			c.Upstream.ConnectTo[host+":587"] = mail[i].Addr()
		}
		// Of the names that are looked up, only the mapped one is known.
		c.Upstream.Resolver = &net.Resolver{PreferGo: true, Dial: noNameServer}
	})
}

func TestRedirectedDestination(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := echo(t, fake)
	for name, tt := range map[string]struct {
		listener   listener.URL
		original   string
		serverName string
		want       string // destination, or why not
		why        string
	}{
		"by server name":                  {listener.URL{}, "203.0.113.1:443", host, target, ""},
		"server name in capitals":         {listener.URL{}, "203.0.113.1:443", "OUTLOOK.office365.com", target, ""},
		"address for a server name":       {listener.URL{}, "52.96.1.2:443", "52.96.1.2", target, ""},
		"by row":                          {listener.URL{}, "52.96.1.2:443", "", target, ""},
		"by row over IPv6":                {listener.URL{}, "[2603:1026::9]:443", "", target, ""},
		"by row of sign-in":               {listener.URL{}, "20.190.128.1:443", "", "login.microsoftonline.com:443", ""},
		"by address of a name":            {listener.URL{}, server.Addr()[:strings.LastIndex(server.Addr(), ":")] + ":443", "", target, ""},
		"row before the listener":         {listener.URL{SNI: operatorHost}, "52.96.1.2:443", "", target, ""},
		"by listener":                     {listener.URL{SNI: operatorHost}, "203.0.113.1:443", "", operatorHost + ":443", ""},
		"server name before the listener": {listener.URL{SNI: operatorHost}, "203.0.113.1:443", host, target, ""},
		"none":                            {listener.URL{}, "203.0.113.1:443", "", "", "no_server_name"},
		"server name that is not allowed": {listener.URL{SNI: operatorHost}, "52.96.1.2:443", "www.example.com", "", "destination_not_allowed"},
		"port that is not allowed":        {listener.URL{}, "52.96.1.2:4443", host, "", "destination_port_not_allowed"},
		"listener's name on another port": {listener.URL{SNI: operatorHost}, "203.0.113.1:4443", "", "", "destination_port_not_allowed"},
		// What a balancer says leads to nothing that is not allowed.
		"other, not allowed name":    {listener.URL{Bypass: true}, "203.0.113.8:443", "www.example.com", "", "destination_not_allowed"},
		"other, no name":             {listener.URL{Bypass: true}, "203.0.113.8:443", "", "", "no_server_name"},
		"other, but ours by name":    {listener.URL{Bypass: true}, "203.0.113.8:443", host, target, "tls_version"},
		"other, but ours by address": {listener.URL{Bypass: true}, "52.96.1.2:443", "", target, "tls_version"},
		"a port that is said to have TLS": {listener.URL{Ports: map[uint16]listener.Scheme{443: listener.SchemeTLS}}, "52.96.1.2:443",
			"", target, ""},
		"a port that is said to have IMAP": {listener.URL{Ports: map[uint16]listener.Scheme{443: listener.SchemeIMAPS}}, "52.96.1.2:443",
			"", target, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRedirectWorld(t, tt.listener, server, fake)
			cfg := w.oldConfig()
			// To crypto/tls an address is no server name to send. Without one it
			// cannot be content with the certificate, but gets one.
			cfg.ServerName = cmp.Or(tt.serverName, "192.0.2.1")
			conn := tls.Client(w.redirectedTo(tt.original), cfg)
			_ = conn.Handshake()
			_ = conn.Close()
			rec := w.record()
			isWhy := tt.why == "" || tt.why == string(rec.Reason) || tt.why == string(rec.Rule)
			if rec.Destination != tt.want || !isWhy {
				t.Errorf("got destination %q, why %q, reason %q (%v); want %q, %q", rec.Destination, rec.Rule, rec.Reason, rec.Err, tt.want, tt.why)
			}
			if original := netip.MustParseAddrPort(tt.original); rec.Original != netip.AddrPortFrom(original.Addr().Unmap(), original.Port()) {
				t.Errorf("got original %s", rec.Original)
			}
		})
	}
}

func TestNotRedirected(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := echo(t, fake)
	w := newWorld(t, fake, server.Addr(), func(c *proxy.Config) {
		c.Listeners = []listener.URL{{Scheme: listener.SchemeRedirect, Address: "127.0.0.1:0", Bypass: true}}
	})
	err := tls.Client(dial(t, w.tls), w.oldConfig()).Handshake()
	if err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("got %v", err)
	}
	if rec := w.expect(record.OutcomeRefused, record.ReasonNotRedirected); rec.Original.IsValid() {
		t.Errorf("got original %s", rec.Original)
	}
}

// A balancer that says the listener's own address says nothing.
func TestRedirectedToOurselves(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newRedirectWorld(t, listener.URL{Bypass: true}, echo(t, fake), fake)
	conn := w.redirectedTo(w.tls)
	if _, err := conn.Read(make([]byte, 7)); err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	w.expect(record.OutcomeRefused, record.ReasonNotRedirected)
}

// After STARTTLS the server name may tell another destination than the address
// did. What was said to the first one is said to the second as well.
func TestRedirectedServerNameBehindStartTLS(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		serverName, greeted, want string
		version                   uint16
	}{
		"the same, lifted":    {mailHost, submission, submission, tls.VersionTLS10},
		"the same, passed":    {mailHost, submission, submission, tls.VersionTLS13},
		"another one, lifted": {legacyHost, submission, legacyHost + ":587", tls.VersionTLS10},
		"another one, passed": {legacyHost, submission, legacyHost + ":587", tls.VersionTLS13},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := testenv.FakeM365(t)
			first, err := fake.ServeSMTP(fakem365.MailOptions{Accounts: accounts})
			if err != nil {
				t.Fatal(err)
			}
			second, err := fake.ServeSMTP(fakem365.MailOptions{Accounts: accounts})
			if err != nil {
				t.Fatal(err)
			}
			w := newRedirectWorld(t, listener.URL{}, echo(t, fake), fake, first, second)
			raw := w.redirectedTo("52.96.1.2:587")
			r := bufio.NewReader(raw)
			talk(t, raw, r, "", "220 ")
			talk(t, raw, r, "EHLO printer", "250 ")
			talk(t, raw, r, "STARTTLS", "220 ")
			cfg := w.oldConfig()
			cfg.RootCAs = fake.Roots().Clone()
			cfg.RootCAs.AddCert(w.ca.Certificate())
			cfg.ServerName, cfg.MaxVersion = tt.serverName, tt.version
			conn := tls.Client(raw, cfg)
			r = bufio.NewReader(conn)
			talk(t, conn, r, "EHLO printer", "250 ")
			talk(t, conn, r, "QUIT", "221 ")
			_ = conn.Close()
			rec := w.record()
			if rec.Destination != tt.want || rec.Reason != "" {
				t.Errorf("got %s, %q (%v)", rec.Destination, rec.Reason, rec.Err)
			}
			if got := second.Handshakes().Completed; (got == 1) != (tt.want != submission) {
				t.Errorf("the second has had %d handshakes", got)
			}
		})
	}
}
