package fakem365_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestDefaultPolicyIsMicrosofts(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveHTTPS(t, fake, fakem365.TLSOptions{})
	every := append(suiteIDs(tls.CipherSuites()), suiteIDs(tls.InsecureCipherSuites())...)
	for _, test := range []struct {
		client string
		max    uint16
		suites []uint16
		alert  string // empty: it is served
		answer string
	}{
		{client: "TLS 1.0", max: tls.VersionTLS10, suites: every, alert: "protocol version not supported"},
		{client: "TLS 1.1", max: tls.VersionTLS11, suites: every, alert: "protocol version not supported"},
		{client: "TLS 1.2 with RSA key exchange", max: tls.VersionTLS12, alert: "handshake failure",
			suites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA}},
		{client: "TLS 1.2 with SHA-1 suites", max: tls.VersionTLS12, alert: "handshake failure",
			suites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA}},
		{client: "TLS 1.2 with ChaCha20", max: tls.VersionTLS12, alert: "handshake failure",
			suites: []uint16{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}},
		{client: "TLS 1.2 with GCM", max: tls.VersionTLS12,
			suites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
			answer: "hello from outlook.office365.com over TLS 1.2, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"},
		{client: "TLS 1.2 with SHA-256 CBC", max: tls.VersionTLS12,
			suites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256},
			answer: "hello from outlook.office365.com over TLS 1.2, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256\n"},
		{client: "TLS 1.3", answer: "hello from outlook.office365.com over TLS 1.3, TLS_AES_"},
	} {
		t.Run(test.client, func(t *testing.T) {
			t.Parallel()
			client := testenv.Direct(fake, server)
			client.MaxVersion, client.CipherSuites = test.max, test.suites
			answer, err := client.Get(t.Context(), page)
			if got := fakem365.Alert(err); got != test.alert {
				t.Fatalf("alert %q, want %q (error: %v)", got, test.alert, err)
			}
			if test.alert == "" && (answer == nil || !strings.HasPrefix(answer.Body, test.answer)) {
				t.Errorf("answer %+v, want %q", answer, test.answer)
			}
		})
	}
}

func suiteIDs(suites []*tls.CipherSuite) []uint16 {
	var ids []uint16
	for _, suite := range suites {
		ids = append(ids, suite.ID)
	}
	return ids
}

func TestPolicyOverrides(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	rsaOnly := []uint16{tls.TLS_RSA_WITH_AES_256_GCM_SHA384}
	for _, test := range []struct {
		name    string
		server  fakem365.TLSOptions
		version uint16
		suite   uint16
	}{
		{"newest TLS 1.1", fakem365.TLSOptions{MaxVersion: tls.VersionTLS11}, tls.VersionTLS11, 0},
		{"oldest TLS 1.0", fakem365.TLSOptions{MinVersion: tls.VersionTLS10}, tls.VersionTLS10, 0},
		{"newest TLS 1.2", fakem365.TLSOptions{MaxVersion: tls.VersionTLS12}, tls.VersionTLS12, 0},
		{"own suites", fakem365.TLSOptions{CipherSuites: rsaOnly}, tls.VersionTLS12, rsaOnly[0]},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := testenv.Direct(fake, serveHTTPS(t, fake, test.server))
			client.MaxVersion = test.version
			if test.suite != 0 {
				client.CipherSuites = []uint16{test.suite}
			}
			answer, err := client.Get(t.Context(), page)
			if err != nil {
				t.Fatal(err)
			}
			if answer.TLS.Version != test.version || test.suite != 0 && answer.TLS.CipherSuite != test.suite {
				t.Errorf("got %s, %s", tls.VersionName(answer.TLS.Version), tls.CipherSuiteName(answer.TLS.CipherSuite))
			}
		})
	}
	t.Run("TLS 1.3 switched off", func(t *testing.T) {
		t.Parallel()
		client := testenv.Direct(fake, serveHTTPS(t, fake, fakem365.TLSOptions{MaxVersion: tls.VersionTLS12}))
		client.MinVersion = tls.VersionTLS13
		if _, err := client.Get(t.Context(), page); fakem365.Alert(err) != "protocol version not supported" {
			t.Errorf("error %v", err)
		}
	})
}

func TestClientCertificateIsDemanded(t *testing.T) {
	t.Parallel()
	fake, other := testenv.FakeM365(t), testenv.FakeM365(t)
	server := serveHTTPS(t, fake, fakem365.TLSOptions{ClientCAs: fake.Roots()})
	ours := certificate(t, fake, fakem365.CertOptions{Names: []string{"tlslift.example"}})
	theirs := certificate(t, other, fakem365.CertOptions{})
	for _, test := range []struct {
		name  string
		shown *tls.Certificate
		max   uint16
		alert string
	}{
		{"good", ours, tls.VersionTLS13, ""},
		{"none, TLS 1.2", nil, tls.VersionTLS12, "handshake failure"},
		{"none, TLS 1.3", nil, tls.VersionTLS13, "certificate required"},
		{"of another root", theirs, tls.VersionTLS13, "unknown certificate authority"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := testenv.Direct(fake, server)
			client.Certificate, client.MaxVersion = test.shown, test.max
			_, err := client.Get(t.Context(), page)
			if got := fakem365.Alert(err); got != test.alert || (err == nil) != (test.alert == "") {
				t.Errorf("alert %q, want %q (error: %v)", got, test.alert, err)
			}
		})
	}
	if peers := server.Handshakes().Last.PeerCertificates; len(peers) == 0 || !peers[0].Equal(ours.Leaf) {
		t.Error("the server did not see the client's certificate")
	}
}

func TestALPN(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	for _, test := range []struct {
		name          string
		server, offer []string
		want, alert   string
	}{
		{"h2 is off by default", nil, []string{"h2", "http/1.1"}, "http/1.1", ""},
		{"h2 on", []string{"h2", "http/1.1"}, []string{"h2", "http/1.1"}, "h2", ""},
		{"none offered", nil, nil, "", ""},
		{"nothing in common", nil, []string{"imap"}, "", "no application protocol"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := testenv.Direct(fake, serveHTTPS(t, fake, fakem365.TLSOptions{ALPN: test.server}))
			client.ALPN = test.offer
			answer, err := client.Get(t.Context(), page)
			if got := fakem365.Alert(err); got != test.alert || (err == nil) != (test.alert == "") {
				t.Fatalf("alert %q, want %q (error: %v)", got, test.alert, err)
			}
			if err == nil && (answer.TLS.NegotiatedProtocol != test.want || answer.Status != 200) {
				t.Errorf("spoke %q with status %d, want %q", answer.TLS.NegotiatedProtocol, answer.Status, test.want)
			}
		})
	}
}

func TestEchoHonoursHalfClose(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server, err := fake.ServeTLS(fakem365.TLSOptions{}, echoBack)
	if err != nil {
		t.Fatal(err)
	}
	conn := testenv.DialTLS(t, testenv.Direct(fake, server), target)
	if _, err := io.WriteString(conn, "before"); err != nil {
		t.Fatal(err)
	}
	early := make([]byte, len("before"))
	if _, err := io.ReadFull(conn, early); err != nil || string(early) != "before" {
		t.Fatalf("read %q, %v", early, err)
	}
	if _, err := io.WriteString(conn, "last"); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(conn); err != nil || string(rest) != "last" {
		t.Errorf("after the half-close read %q, %v", rest, err)
	}
}

func TestEmptyCertificateIsAnError(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	for _, bad := range []tls.Certificate{{}, {Certificate: [][]byte{[]byte("no DER")}}} {
		if _, err := fake.ServeTLS(fakem365.TLSOptions{Certificate: &bad}, echoBack); err == nil {
			t.Errorf("%v is served", bad)
		}
	}
}

func TestClientRefusesBadCertificates(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	for _, test := range badCertificates() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			made := certificate(t, fake, test.options)
			server := serveHTTPS(t, fake, fakem365.TLSOptions{Certificate: made})
			_, err := testenv.Direct(fake, server).Get(t.Context(), page)
			var invalid *tls.CertificateVerificationError
			if !errors.As(err, &invalid) || !test.is(invalid.Err) {
				t.Errorf("error %v", err)
			}
			if got := server.Leaf(); !got.Equal(made.Leaf) {
				t.Errorf("the server says its leaf is %s", got.Subject)
			}
		})
	}
}

func isUnknownAuthority(err error) bool {
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &unknown)
}
