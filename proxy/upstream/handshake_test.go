package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// serveTLS echoes over TLS.
func serveTLS(t *testing.T, config *tls.Config) *net.TCPAddr {
	t.Helper()
	return testenv.Serve(t, func(conn net.Conn) {
		server := tls.Server(conn, config)
		echo(server)
		_ = server.Close() // a client that got its error is gone already
	})
}

// handshakeWith dials host:port and returns what Handshake returns.
func handshakeWith(ctx context.Context, t *testing.T, d *Dialer, port uint16, alpn ...string) (*tls.Conn, error) {
	t.Helper()
	conn, err := d.Dial(t.Context(), host, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return d.Handshake(ctx, conn, host, port, alpn)
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	certificates := []tls.Certificate{issue(t, ca, nil)}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server := serveTLS(t, &tls.Config{Certificates: certificates, MaxVersion: version, NextProtos: []string{"http/1.1"}})
		d := newDialer(t, Config{Roots: ca.Roots(), ConnectTo: mapped(server)})
		for _, alpn := range []string{"http/1.1", ""} {
			var offered []string
			if alpn != "" {
				offered = []string{"h2", alpn}
			}
			conn, err := handshakeWith(t.Context(), t, d, 443, offered...)
			if err != nil {
				t.Fatal(err)
			}
			state := conn.ConnectionState()
			if state.Version != version || state.NegotiatedProtocol != alpn || state.ServerName != host {
				t.Errorf("got version %x, protocol %q, name %q", state.Version, state.NegotiatedProtocol, state.ServerName)
			}
			wantEcho(t, conn)
		}
	}
}

func TestHandshakeFails(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	valid := issue(t, ca, nil)
	only := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	changed := func(change func(*x509.Certificate)) *tls.Config { return only(issue(t, ca, change)) }
	tests := map[string]struct {
		config *tls.Config
		want   record.Reason
	}{
		"TLS 1.1 only": {&tls.Config{Certificates: []tls.Certificate{valid}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
			record.ReasonUpstreamTLSTooOld},
		"expired": {changed(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), record.ReasonUpstreamCertExpired},
		"not yet valid": {changed(func(c *x509.Certificate) {
			c.NotBefore = time.Now().Add(30 * time.Minute)
		}), record.ReasonUpstreamCertExpired},
		"unknown authority": {only(issue(t, other, nil)), record.ReasonUpstreamCertUntrusted},
		"self-signed": {only(testenv.SelfSigned(t, testenv.Template(host, host), testenv.ECDSAKey(t))),
			record.ReasonUpstreamCertUntrusted},
		"other name": {changed(func(c *x509.Certificate) { c.DNSNames = []string{"other.example.com"} }),
			record.ReasonUpstreamCertName},
		"name only as common name": {changed(func(c *x509.Certificate) { c.DNSNames = nil }), record.ReasonUpstreamCertName},
		"for clients only": {changed(func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}), record.ReasonUpstreamCertInvalid},
		"wants a client certificate": {&tls.Config{
			Certificates: []tls.Certificate{valid}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12,
		}, record.ReasonUpstreamHandshakeFailed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serveTLS(t, test.config)
			d := newDialer(t, Config{Roots: ca.Roots(), ConnectTo: mapped(server)})
			_, err := handshakeWith(t.Context(), t, d, 443)
			failure := wantReason(t, err, test.want)
			if !strings.Contains(failure.Error(), "reaching "+host+":443: ") {
				t.Errorf("got %q", failure)
			}
		})
	}
}

// TestHandshakeBroken has servers that speak no proper TLS.
func TestHandshakeBroken(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		server func(net.Conn)
		want   record.Reason
	}{
		"closes": {func(conn net.Conn) { readSome(conn) }, record.ReasonUpstreamHandshakeFailed},
		"resets": {func(conn net.Conn) {
			readSome(conn)
			_ = conn.(*net.TCPConn).SetLinger(0)
		}, record.ReasonUpstreamHandshakeFailed},
		"answers plain text":    {say("220 mail.example.com ready\r\n"), record.ReasonUpstreamHandshakeFailed},
		"alert":                 {say("\x15\x03\x03\x00\x02\x02\x28"), record.ReasonUpstreamHandshakeFailed},
		"protocol alert":        {say("\x15\x03\x01\x00\x02\x02\x46"), record.ReasonUpstreamTLSTooOld},
		"chooses TLS 1.1":       {say(serverHello11()), record.ReasonUpstreamTLSTooOld},
		"truncated ServerHello": {say(serverHello11()[:20]), record.ReasonUpstreamHandshakeFailed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Serve(t, test.server)
			d := newDialer(t, Config{ConnectTo: mapped(server)})
			_, err := handshakeWith(t.Context(), t, d, 443)
			wantReason(t, err, test.want)
		})
	}
}

// say is a server that answers anything with text and then says no more.
func say(text string) func(net.Conn) {
	return func(conn net.Conn) {
		readSome(conn)
		_, _ = io.WriteString(conn, text)
		_ = conn.(*net.TCPConn).CloseWrite()
		hang(conn)
	}
}

// serverHello11 is a ServerHello that chooses TLS 1.1 without asking
// (RFC 4346 section 7.4.1.3).
func serverHello11() string {
	body := "\x03\x02" + strings.Repeat("r", 32) + "\x00" + "\x00\x2f" + "\x00"
	message := "\x02\x00\x00" + string(rune(len(body))) + body
	return "\x16\x03\x02\x00" + string(rune(len(message))) + message
}

func TestHandshakeEndsWithContext(t *testing.T) {
	t.Parallel()
	expired, expire := newExpiring(t)
	d := newDialer(t, Config{ConnectTo: mapped(testenv.Serve(t, hangAfter(expire)))})
	_, err := handshakeWith(expired, t, d, 443)
	wantReason(t, err, record.ReasonUpstreamTimeout)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d = newDialer(t, Config{ConnectTo: mapped(testenv.Serve(t, hangAfter(cancel)))})
	_, err = handshakeWith(ctx, t, d, 443)
	if err != context.Canceled {
		t.Errorf("got %v, want context.Canceled as it is", err)
	}
}

// TestHandshakeLeavesOpen: the caller decides what becomes of the connection.
func TestHandshakeLeavesOpen(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	server := testenv.Serve(t, func(conn net.Conn) {
		say("220 no TLS here\r\n")(conn)
		close(ended)
	})
	d := newDialer(t, Config{ConnectTo: mapped(server)})
	conn, err := d.Dial(t.Context(), host, 443)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Handshake(t.Context(), conn, host, 443, nil)
	wantReason(t, err, record.ReasonUpstreamHandshakeFailed)
	if _, err := io.WriteString(conn, "still here"); err != nil {
		t.Errorf("the connection is closed: %v", err)
	}
	conn.Close()
	<-ended
}

func TestHandshakeNotAName(t *testing.T) {
	t.Parallel()
	_, err := newDialer(t, Config{}).Handshake(t.Context(), nil, "a b", 443, nil)
	wantReason(t, err, record.ReasonNameNotFound)
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	own := issue(t, ca, func(c *x509.Certificate) {
		c.DNSNames = nil
		c.Subject.CommonName = "tlslift"
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	all := func(string, uint16) bool { return true }
	for asked, auth := range map[bool]tls.ClientAuthType{true: tls.RequireAndVerifyClientCert, false: tls.NoClientCert} {
		shown := make(chan bool, 1)
		config := &tls.Config{Certificates: []tls.Certificate{issue(t, ca, nil)}, ClientAuth: auth, ClientCAs: ca.Roots()}
		config.VerifyConnection = func(state tls.ConnectionState) error {
			shown <- len(state.PeerCertificates) == 1 && state.PeerCertificates[0].Subject.CommonName == "tlslift"
			return nil
		}
		server := serveTLS(t, config)
		d := newDialer(t, Config{Roots: ca.Roots(), Certificate: &own, ShowsCertificate: all, ConnectTo: mapped(server)})
		conn, err := handshakeWith(t.Context(), t, d, 443)
		if err != nil {
			t.Fatal(err)
		}
		wantEcho(t, conn)
		if got := <-shown; got != asked {
			t.Errorf("certificate shown: %v, asked for: %v", got, asked)
		}
	}
}

// TestResumption uses two ports of one host in turn. Each is a server with
// its own ticket keys, so a cache that confuses them resumes neither.
func TestResumption(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := func() *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{issue(t, ca, nil)}, MaxVersion: version}
		}
		d := newDialer(t, Config{Roots: ca.Roots(), ConnectTo: map[string]string{
			host + ":443": serveTLS(t, config()).String(),
			host + ":993": serveTLS(t, config()).String(),
		}})
		for round, want := range []bool{false, true, true} {
			for _, port := range []uint16{443, 993} {
				conn, err := handshakeWith(t.Context(), t, d, port)
				if err != nil {
					t.Fatal(err)
				}
				// A TLS 1.3 ticket arrives in front of the first bytes.
				wantEcho(t, conn)
				if got := conn.ConnectionState().DidResume; got != want {
					t.Errorf("TLS %x port %d round %d: resumed %v, want %v", version, port, round, got, want)
				}
			}
		}
	}
}

// The client certificate, which names the tenant, was shown to whoever asked for one. Now
// only the destinations see it that the operator has named.
func TestCertificateIsShownToNamedDestinations(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	own := issue(t, ca, nil)
	seen := make(chan int, 1)
	server := serveTLS(t, &tls.Config{
		Certificates: []tls.Certificate{issue(t, ca, nil)}, ClientAuth: tls.RequestClientCert,
		VerifyConnection: func(state tls.ConnectionState) error {
			seen <- len(state.PeerCertificates)
			return nil
		},
	})
	for name, tt := range map[string]struct {
		shows func(string, uint16) bool
		want  int
	}{
		"named":        {func(to string, port uint16) bool { return to == host && port == 443 }, 1},
		"another port": {func(_ string, port uint16) bool { return port == 25 }, 0},
		"another host": {func(to string, _ uint16) bool { return to == "mx.example.com" }, 0},
		"none":         {nil, 0},
	} {
		d := newDialer(t, Config{
			Roots: ca.Roots(), Certificate: &own, ShowsCertificate: tt.shows, ConnectTo: map[string]string{host + ":443": server.String()},
		})
		conn, err := d.Dial(t.Context(), host, 443)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Handshake(t.Context(), conn, host, 443, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := <-seen; got != tt.want {
			t.Errorf("%s: the destination saw %d certificates", name, got)
		}
		_ = conn.Close()
	}
}
