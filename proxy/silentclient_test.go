package proxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// Many devices close without an alert when they do not trust a certificate:
// that shows, with either engine, before and after a session was made.
func TestClientThatClosesAfterTheCertificate(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, https(t, fake, fakem365.TLSOptions{}).Addr(), nil)
	roots := x509.NewCertPool()
	roots.AddCert(w.ca.Certificate())
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS12} {
		conn := dial(t, w.tls)
		client := tls.Client(conn, &tls.Config{
			RootCAs: roots, ServerName: host, MinVersion: version, MaxVersion: version,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA},
			VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error {
				return errors.Join(errors.New("gone"), conn.Close())
			},
		})
		if err := client.HandshakeContext(t.Context()); err == nil {
			t.Fatal("the handshake went through")
		}
		rec := w.expect(record.OutcomeFailed, record.ReasonClientClosedAfterCert)
		if rec.ClientTLS != nil {
			t.Errorf("record %+v", rec)
		}
	}
}

// A client that closes at once, without waiting for the certificate to come,
// may look the same, but one that has not sent its hello does not.
func TestClientThatClosesBeforeItsHello(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, https(t, fake, fakem365.TLSOptions{}).Addr(), nil)
	_ = dial(t, w.tls).Close()
	w.expect(record.OutcomeFailed, record.ReasonClosedBeforeHello)
}
