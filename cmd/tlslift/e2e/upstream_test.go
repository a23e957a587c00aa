package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A destination that cannot be verified fails the client, with the reason;
// nothing is ever relayed to it.
func TestBadUpstreamFailsTheClient(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	for _, tt := range []struct {
		name       string
		tls        string
		selfSigned bool
		change     func(*x509.Certificate)
		reason     string
	}{
		{"expired", modernTLS, false, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}, "upstream_certificate_expired"},
		{"not valid yet", modernTLS, false, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour / 2) },
			"upstream_certificate_expired"},
		{"self-signed", modernTLS, true, nil, "upstream_certificate_untrusted"},
		{"wrong name", modernTLS, false, func(c *x509.Certificate) { c.DNSNames = []string{"evil.example"} }, "upstream_certificate_name"},
		{"TLS 1.1 only", "ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;", false, nil, "upstream_tls_too_old"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := startNginx(t, p, tt.tls, tt.selfSigned, tt.change)
			l := start(t, n.address, p.pem)
			for _, connect := range [][]string{{"-proxy", l.proxy, "-connect", host + ":443"}, {"-connect", l.tls}} {
				out, err := sClient(t, l.caFile, append(connect, "-tls1", "-cipher", "ALL:@SECLEVEL=0")...)
				if err == nil || strings.Contains(out, "hello from nginx") || !strings.Contains(out, "alert internal error") {
					t.Errorf("want an alert, got %v:\n%s", err, out)
				}
				rec := l.record(t, map[string]string{"outcome": "failed", "reason": tt.reason})
				if rec["cause"] == nil || rec["remedy"] == nil {
					t.Errorf("the log does not explain: %v", rec)
				}
			}
			if len(l.metric(t, "tlslift_upstream_failures_total{", tt.reason, "} 2")) != 1 {
				t.Errorf("/metrics does not count %s", tt.reason)
			}
		})
	}
}

// A dead destination is an honest HTTP error before the tunnel stands.
func TestUnreachableUpstream(t *testing.T) {
	t.Parallel()
	l := start(t, testenv.RefusingAddress(t), newPKI(t).pem)
	out, err := run(t, "", "curl", "-sS", "-i", "-x", "http://"+l.proxy, "https://"+host+"/")
	if err == nil || !strings.Contains(out, "502") {
		t.Errorf("want 502, got %v:\n%s", err, out)
	}
	l.record(t, map[string]string{"outcome": "failed", "reason": "upstream_connection_refused"})
	out, err = sClient(t, l.caFile, "-connect", l.tls, "-tls1", "-cipher", "ALL:@SECLEVEL=0")
	if err == nil || !strings.Contains(out, "alert internal error") {
		t.Errorf("want an alert, got %v:\n%s", err, out)
	}
	l.record(t, map[string]string{"outcome": "failed", "reason": "upstream_connection_refused"})
}

// A destination that accepts and says nothing is given up in time.
func TestSilentUpstream(t *testing.T) {
	t.Parallel()
	address := tlsServer(t, nil, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	l := start(t, address, newPKI(t).pem, "TLSLIFT_HANDSHAKE_TIMEOUT=1s")
	for _, flags := range [][]string{{"-tls1", "-cipher", "ALL:@SECLEVEL=0"}, {"-tls1_2"}} {
		if out, err := sClient(t, l.caFile, append(flags, "-connect", l.tls)...); err == nil {
			t.Errorf("want a failure, got:\n%s", out)
		}
		l.record(t, map[string]string{"outcome": "failed", "reason": "upstream_timeout"})
	}
}

// A destination that closes without an alert on a passed hello is tried again
// by lifting; here that fails as well, and the client is told.
func TestUpstreamThatClosesOnTheHello(t *testing.T) {
	t.Parallel()
	address := tlsServer(t, nil, func(c net.Conn) { _, _ = c.Read(make([]byte, 5)) })
	l := start(t, address, newPKI(t).pem)
	if out, err := sClient(t, l.caFile, "-connect", l.tls, "-tls1_2"); err == nil {
		t.Errorf("want a failure, got:\n%s", out)
	}
	l.record(t, map[string]string{"outcome": "failed", "reason": "upstream_handshake_failed", "rule": "destination_refused"})
}

// Our client certificate is shown to a destination that asks for one.
func TestUpstreamClientCertificate(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	certFile, keyFile, _ := p.leaf(false, nil)
	clientFile, clientKey, clientCert := p.leaf(false, func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	if err := os.Chmod(clientKey, 0o600); err != nil {
		t.Fatal(err)
	}
	serverCert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan string, 1)
	address := tlsServer(t, &tls.Config{
		Certificates: []tls.Certificate{serverCert}, MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: p.Roots(),
	}, func(c net.Conn) {
		conn := c.(*tls.Conn)
		if conn.Handshake() != nil {
			shown <- ""
			return
		}
		shown <- conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
		_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\nhello\n")
	})
	l := start(t, address, p.pem, "TLSLIFT_UPSTREAM_CERT_FILE="+clientFile, "TLSLIFT_UPSTREAM_KEY_FILE="+clientKey,
		"TLSLIFT_UPSTREAM_CERT_DESTINATIONS=outlook.office365.com:443")
	out, err := sClient(t, l.caFile, "-connect", l.tls, "-tls1", "-cipher", "ALL:@SECLEVEL=0")
	if got := <-shown; got != clientCert.SerialNumber.String() || !strings.Contains(out, "hello") {
		t.Errorf("the destination saw certificate %q (%v):\n%s", got, err, out)
	}
}
