package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestOldIsLiftedModernIsPassed(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := https(t, fake, fakem365.TLSOptions{})
	w := newWorld(t, fake, server.Addr(), nil)
	for _, tt := range []struct {
		max     uint16
		suites  []uint16
		outcome record.Outcome
		offered string
	}{
		{tls.VersionTLS10, nil, record.OutcomeLifted, "TLS 1.0"},
		{tls.VersionTLS11, nil, record.OutcomeLifted, "TLS 1.1"},
		{tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, record.OutcomeLifted, "TLS 1.2"},
		{tls.VersionTLS12, nil, record.OutcomePassed, "TLS 1.2"},
		{tls.VersionTLS13, nil, record.OutcomePassed, "TLS 1.3"},
	} {
		for _, fixed := range []bool{false, true} {
			client := w.client(tt.max)
			client.CipherSuites = tt.suites
			if fixed {
				client.Proxy, client.Address = "", w.tls
			}
			answer, err := client.Get(t.Context(), "https://"+host+"/")
			if err != nil || !strings.Contains(answer.Body, host) {
				t.Fatalf("%s fixed=%v: %v, %v", tt.offered, fixed, answer, err)
			}
			if lifted := w.lifted(answer.TLS); lifted != (tt.outcome == record.OutcomeLifted) {
				t.Errorf("%s fixed=%v: decrypted=%v", tt.offered, fixed, lifted)
			}
			rec := w.expect(tt.outcome, "")
			if rec.OfferedVersion != tt.offered || rec.Destination != target || rec.ServerName != host || rec.Protocol != "tls" {
				t.Errorf("record %+v", rec)
			}
			if rec.BytesFromClient == 0 || rec.BytesToClient == 0 {
				t.Errorf("%s: counted %d and %d bytes", tt.offered, rec.BytesFromClient, rec.BytesToClient)
			}
		}
	}
}

// A device with an SSLv2-format hello, which the destination refuses, is lifted.
func TestLegacyClientIsLifted(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := https(t, fake, fakem365.TLSOptions{})
	w := newWorld(t, fake, server.Addr(), nil)
	client := w.client(tls.VersionTLS10)
	client.Proxy, client.Address = "", server.Addr()
	if _, err := client.GetLegacy(t.Context(), "https://"+host+"/"); !errors.Is(err, tls.AlertError(70)) {
		t.Errorf("directly: got %v, want the alert protocol_version", err)
	}
	for _, way := range []func(){
		func() { client.Proxy = w.proxy },
		func() { client.Proxy, client.Address = "", w.tls },
	} {
		way()
		answer, err := client.GetLegacy(t.Context(), "https://"+host+"/")
		if err != nil || !strings.Contains(answer, host) {
			t.Fatalf("got %q, %v", answer, err)
		}
		rec := w.expect(record.OutcomeLifted, "")
		if !rec.SSLv2Format || len(rec.JA3) != 32 || !strings.HasPrefix(rec.JA4, "t10i") {
			t.Errorf("format or fingerprints: record %+v", rec)
		}
		if rec.Rule != "hello_format" || rec.OfferedVersion != "TLS 1.0" || rec.ClientTLS.CipherSuite != "TLS_RSA_WITH_AES_128_CBC_SHA" {
			t.Errorf("record %+v", rec)
		}
	}
}

// The leaf has the upstream certificate's names that the CA may sign for, and
// the whole chain verifies; a name outside would spoil it.
func TestLeafMirrorsUpstreamNames(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := https(t, fake, fakem365.TLSOptions{Names: []string{host, "*.office365.com", "www.unrelated.example"}})
	w := newWorld(t, fake, server.Addr(), nil)
	answer, err := w.client(tls.VersionTLS10).Get(t.Context(), "https://"+host+"/")
	if err != nil {
		t.Fatal(err)
	}
	names := answer.TLS.PeerCertificates[0].DNSNames
	slices.Sort(names)
	if want := []string{"*.office365.com", host}; !slices.Equal(names, want) {
		t.Errorf("leaf has %v, want %v", names, want)
	}
}

func TestResumption(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := https(t, fake, fakem365.TLSOptions{})
	const other = "smtp.office365.com"
	w := newWorld(t, fake, server.Addr(), func(c *proxy.Config) {
		c.Upstream.ConnectTo[other+":587"] = server.Addr()
		c.Upstream.ConnectTo["login.microsoftonline.com:443"] = server.Addr()
	})
	client := w.client(tls.VersionTLS10)
	client.Sessions = tls.NewLRUClientSessionCache(4)
	for i := range 2 {
		if _, err := client.Get(t.Context(), "https://"+host+"/"); err != nil {
			t.Fatal(err)
		}
		rec := w.expect(record.OutcomeLifted, "")
		if rec.ClientTLS.Resumed != (i > 0) || rec.UpstreamTLS.Resumed != (i > 0) {
			t.Errorf("connection %d: resumed with the client %v, upstream %v", i, rec.ClientTLS.Resumed, rec.UpstreamTLS.Resumed)
		}
	}
	// A ticket must not carry its trust to another destination.
	client.Sessions = anyName{client.Sessions, host}
	if _, err := client.Get(t.Context(), "https://login.microsoftonline.com/"); err != nil {
		t.Fatal(err)
	}
	if rec := w.expect(record.OutcomeLifted, ""); rec.ClientTLS.Resumed {
		t.Error("a session of one destination was resumed for another")
	}
}

// anyName is a client that offers one destination's session to every other.
type anyName struct {
	tls.ClientSessionCache
	name string
}

func (a anyName) Get(string) (*tls.ClientSessionState, bool) { return a.ClientSessionCache.Get(a.name) }

func TestALPNIsMirrored(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := https(t, fake, fakem365.TLSOptions{ALPN: []string{"h2", "http/1.1"}})
	w := newWorld(t, fake, server.Addr(), nil)
	for _, tt := range []struct {
		offer []string
		want  string
	}{
		{[]string{"http/1.1"}, "http/1.1"},
		{[]string{"h2", "http/1.1"}, "http/1.1"}, // HTTP/2 forbids TLS 1.0
		{nil, ""},
	} {
		client := w.client(tls.VersionTLS10)
		client.ALPN = tt.offer
		conn, err := client.Dial(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != tt.want {
			t.Errorf("offered %v, got %q, want %q", tt.offer, got, tt.want)
		}
		_ = conn.Close()
	}
}

// Half-close goes through both ways, passed and lifted.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS13} {
		conn, err := w.client(version).Dial(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "to be echoed"); err != nil {
			t.Fatal(err)
		}
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if err != nil || string(got) != "to be echoed" {
			t.Errorf("version %x: got %q, %v", version, got, err)
		}
		_ = conn.Close()
		w.record()
	}
}

// A capable hello that the destination refuses is lifted in the same
// connection. The next one of its shape is not tried again, another one is.
func TestPassElseLiftIsRemembered(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	http1 := []string{"http/1.1"}
	for name, tt := range map[string]struct {
		alpn    [][]string // of each connection
		refused int        // how many hellos the destination refuses
	}{
		"the same hello": {[][]string{nil, nil}, 1},
		"another hello":  {[][]string{nil, nil, http1}, 2},
	} {
		server := https(t, fake, fakem365.TLSOptions{MinVersion: tls.VersionTLS13})
		w := newWorld(t, fake, server.Addr(), nil)
		client := w.client(tls.VersionTLS12)
		for _, client.ALPN = range tt.alpn {
			answer, err := client.Get(t.Context(), "https://"+host+"/")
			if err != nil || !w.lifted(answer.TLS) {
				t.Fatalf("%s: %v, %v", name, answer, err)
			}
			if rec := w.expect(record.OutcomeLifted, ""); rec.Rule != record.RuleDestinationRefused {
				t.Errorf("%s: lifted for %q", name, rec.Rule)
			}
		}
		server.Close() // so that all handshakes are counted
		if got := server.Handshakes().Failed; got != tt.refused {
			t.Errorf("%s: the destination has refused %d hellos, want %d", name, got, tt.refused)
		}
	}
}

// When the destination has ended a lifted connection, the client's end of it
// gets a FIN after the close_notify: old clients read until that.
func TestEndOfStreamReachesOldClients(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server, err := fake.ServeTLS(fakem365.TLSOptions{}, func(c *tls.Conn) {
		_, _ = io.WriteString(c, "bye")
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c) // until the client has closed
	})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, fake, server.Addr(), nil)
	raw := dial(t, w.tls)
	conn := tls.Client(raw, w.oldConfig())
	if got, err := io.ReadAll(conn); err != nil || string(got) != "bye" {
		t.Fatalf("got %q, %v", got, err)
	}
	if n, err := raw.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after close_notify came %d bytes and %v, want the end of the stream", n, err)
	}
	_ = raw.Close()
	w.expect(record.OutcomeLifted, "")
}

// Many old clients just close. What they have sent arrives, and what is still
// on its way to them arrives as well.
func TestOldClientClosesWithoutCloseNotify(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	raw := dial(t, w.tls)
	conn := tls.Client(raw, w.oldConfig())
	if _, err := io.WriteString(conn, "to be echoed"); err != nil {
		t.Fatal(err)
	}
	if err := raw.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "to be echoed" {
		t.Errorf("got %q, %v", got, err)
	}
	_ = raw.Close()
	w.expect(record.OutcomeLifted, "")
}

// A client may send its hello in the same segment as the CONNECT request.
func TestEarlyBytesAfterConnect(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS13} {
		raw := dial(t, w.proxy)
		eager := &eagerConn{TCPConn: raw, first: []byte("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n")}
		cfg := w.oldConfig()
		cfg.MaxVersion = version
		cfg.RootCAs = w.client(version).Roots
		conn := tls.Client(eager, cfg)
		if err := conn.HandshakeContext(t.Context()); err != nil {
			t.Fatalf("version %x: %v", version, err)
		}
		if _, err := io.WriteString(conn, "hi"); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 2)
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hi" {
			t.Errorf("version %x: got %q, %v", version, got, err)
		}
		_ = conn.Close()
		w.record()
	}
}

// eagerConn puts bytes in front of the first write and skips the HTTP answer.
type eagerConn struct {
	*net.TCPConn
	first   []byte
	skipped bool
}

func (c *eagerConn) Write(p []byte) (int, error) {
	if _, err := c.TCPConn.Write(append(c.first, p...)); err != nil {
		return 0, err
	}
	c.first = nil
	return len(p), nil
}

func (c *eagerConn) Read(p []byte) (int, error) {
	for one := make([]byte, 1); !c.skipped; {
		end := "\r\n\r\n"
		for matched := 0; matched < len(end); {
			if _, err := io.ReadFull(c.TCPConn, one); err != nil {
				return 0, err
			}
			if one[0] == end[matched] {
				matched++
			} else {
				matched = 0
			}
		}
		c.skipped = true
	}
	return c.TCPConn.Read(p)
}

func TestClientNetworksAndLimits(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	addr := echo(t, fake).Addr()

	strict := newWorld(t, fake, addr, func(c *proxy.Config) {
		c.ClientNets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	if got, err := io.ReadAll(dial(t, strict.proxy)); err != nil || len(got) != 0 {
		t.Errorf("a stranger was told %q, %v", got, err)
	}
	strict.expect(record.OutcomeRefused, record.ReasonClientNotAllowed)

	for _, tt := range []struct {
		max, perClient int
		reason         record.Reason
	}{{1, 100, record.ReasonTooManyConnections}, {100, 1, record.ReasonTooManyFromClient}} {
		w := newWorld(t, fake, addr, func(c *proxy.Config) {
			c.MaxConnections, c.MaxConnectionsPerClient = tt.max, tt.perClient
		})
		first, err := w.client(tls.VersionTLS10).Dial(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.client(tls.VersionTLS10).Dial(t.Context(), target)
		var refusal *fakem365.ProxyError
		if !errors.As(err, &refusal) || refusal.Status != http.StatusServiceUnavailable {
			t.Errorf("one too many got %v, want 503", err)
		}
		w.expect(record.OutcomeRefused, tt.reason)
		_ = first.Close()
		w.expect(record.OutcomeLifted, "")
		again, err := w.client(tls.VersionTLS10).Dial(t.Context(), target)
		if err != nil {
			t.Fatalf("the place was not given back: %v", err)
		}
		_ = again.Close()
	}
}

// Bytes in a PROXY header, version 2: TCP over IPv4 from 10.1.2.3.
const proxyV2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0a\x01\x02\x03\x0a\x00\x00\x01\x10\x00\x01\xbb"

func TestPROXYProtocol(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), func(c *proxy.Config) {
		c.TrustedProxies = loopback
		c.ClientNets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	})
	for _, tt := range []struct {
		name, header string
		client       string
		outcome      record.Outcome
		reason       record.Reason
	}{
		{"v1", "PROXY TCP4 10.1.2.3 10.0.0.1 4096 443\r\n", "10.1.2.3", record.OutcomeLifted, ""},
		{"v1 IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 4096 443\r\n", "2001:db8::7", record.OutcomeLifted, ""},
		{"v2", proxyV2, "10.1.2.3", record.OutcomeLifted, ""},
		{"a client that may not connect", "PROXY TCP4 192.0.2.1 10.0.0.1 4096 443\r\n", "192.0.2.1", record.OutcomeRefused,
			record.ReasonClientNotAllowed},
		{"the balancer's own health check", "PROXY UNKNOWN\r\n", "127.0.0.1", record.OutcomeRefused, record.ReasonClientNotAllowed},
		{"missing", "", "127.0.0.1", record.OutcomeRefused, record.ReasonProxyHeaderInvalid},
		{"broken", "PROXY TCP4 10.1.2.3\r\n", "127.0.0.1", record.OutcomeRefused, record.ReasonProxyHeaderInvalid},
		{"unspecified", "PROXY TCP4 0.0.0.0 10.0.0.1 4096 443\r\n", "127.0.0.1", record.OutcomeRefused, record.ReasonProxyHeaderInvalid},
	} {
		for _, address := range []string{w.tls, w.proxy} {
			first := tt.header
			if address == w.proxy {
				first += "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n"
			}
			conn := tls.Client(&eagerConn{TCPConn: dial(t, address), first: []byte(first), skipped: address == w.tls}, w.oldConfig())
			if err := conn.HandshakeContext(t.Context()); (err == nil) != (tt.outcome == record.OutcomeLifted) {
				t.Errorf("%s: %v", tt.name, err)
			}
			_ = conn.Close()
			if rec := w.expect(tt.outcome, tt.reason); rec.Client.String() != tt.client {
				t.Errorf("%s: client %s, want %s", tt.name, rec.Client, tt.client)
			}
		}
	}
}

// A header of version 1 may come in any number of segments, a byte in each.
func TestPROXYHeaderInSegments(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), func(c *proxy.Config) {
		c.TrustedProxies = loopback
		c.ClientNets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	})
	for _, tt := range []struct {
		name, header string
		size         int // of a segment
		reason       record.Reason
	}{
		{"v1", "PROXY TCP4 10.1.2.3 10.0.0.1 4096 443\r\n", 1, ""},
		{"v1 in two", "PROXY TCP4 10.1.2.3 10.0.0.1 4096 443\r\n", 36, ""},
		{"v1 before its end of line", "PROXY TCP4 10.1.2.3 10.0.0.1 4096 443\r\n", 38, ""},
		{"v1 IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 4096 443\r\n", 7, ""},
		{"v2", proxyV2, 1, ""},
		{"endless", "PROXY TCP4 " + strings.Repeat("1", 100), 10, record.ReasonProxyHeaderInvalid},
	} {
		raw := dial(t, w.tls)
		for part := range slices.Chunk([]byte(tt.header), tt.size) {
			if _, err := raw.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		conn := tls.Client(raw, w.oldConfig())
		if err := conn.HandshakeContext(t.Context()); (err == nil) != (tt.reason == "") {
			t.Errorf("%s: %v", tt.name, err)
		}
		_ = conn.Close()
		outcome := record.OutcomeLifted
		if tt.reason != "" {
			outcome = record.OutcomeRefused
		}
		w.expect(outcome, tt.reason)
	}
}

// An allowed name whose addresses are private is refused, whoever answers the
// query.
func TestNameThatResolvesToAForbiddenAddress(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := echo(t, fake)
	for answer, want := range map[string]record.Reason{
		"127.0.0.1": record.ReasonAddressForbidden, "10.0.0.1": record.ReasonAddressForbidden,
		"169.254.169.254": record.ReasonAddressForbidden, "": record.ReasonNameNotFound,
	} {
		w := newWorld(t, fake, server.Addr(), func(c *proxy.Config) {
			c.Upstream.ConnectTo = nil
			c.Upstream.Resolver = &net.Resolver{PreferGo: true, Dial: dnsServer(t, answer)}
		})
		_, err := w.client(tls.VersionTLS10).Dial(t.Context(), target)
		var refusal *fakem365.ProxyError
		if !errors.As(err, &refusal) || !strings.Contains(refusal.Body, string(want)) {
			t.Errorf("%q: got %v, want a refusal that names %s", answer, err, want)
		}
		if rec := w.record(); rec.Reason != want {
			t.Errorf("%q: got %s, want %s", answer, rec.Reason, want)
		}
		if n := server.Handshakes(); n.Completed+n.Failed > 0 {
			t.Errorf("%q: the forbidden address was reached", answer)
		}
	}
}

// dnsServer answers every query with one IPv4 address, or none.
func dnsServer(t *testing.T, address string) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for buf := make([]byte, 512); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply, ok := dnsReply(buf[:n], address); ok {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-ended })
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}
}

func dnsReply(query []byte, address string) ([]byte, bool) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil, false
	}
	m.Response, m.Authoritative = true, true
	m.Additionals = nil
	q := m.Questions[0]
	if address == "" {
		m.RCode = dnsmessage.RCodeNameError
	} else if q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(address).As4()},
		}}
	}
	reply, err := m.Pack()
	return reply, err == nil
}

// A stop lets open connections end by themselves, and cuts off those that do
// not in time.
func TestShutdown(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	addr := echo(t, fake).Addr()
	for _, drain := range []time.Duration{patience, 0} {
		for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS13} {
			w := newWorld(t, fake, addr, func(c *proxy.Config) { c.DrainTimeout = drain })
			conn, err := w.client(version).Dial(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			w.stop()
			if drain == 0 {
				if _, err := io.ReadAll(conn); err == nil {
					t.Errorf("version %x: a cut-off connection looks complete to the client", version)
				}
				if rec := w.record(); rec.Reason != record.ReasonCutOff {
					t.Errorf("version %x: the cut-off is recorded as %q", version, rec.Reason)
				}
				continue
			}
			// The open connection still works, and ends by itself.
			if _, err := io.WriteString(conn, "still here"); err != nil {
				t.Fatal(err)
			}
			if err := conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(conn); err != nil || string(got) != "still here" {
				t.Errorf("draining: got %q, %v", got, err)
			}
			_ = conn.Close()
		}
	}
}
