package legacytls

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

const serverName = "smtp.office365.com"

var identityOnce struct {
	sync.Once
	certificate, ecdsa tls.Certificate
}

// identity is a certificate that is signed by itself, the same one each time.
func identity(t testing.TB) *tls.Certificate {
	t.Helper()
	makeIdentities(t)
	return &identityOnce.certificate
}

// makeIdentities makes one certificate for each kind of key.
func makeIdentities(t testing.TB) {
	t.Helper()
	identityOnce.Do(func() {
		template := testenv.Template(serverName, serverName)
		template.IsCA, template.BasicConstraintsValid = true, true
		template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign
		identityOnce.certificate = testenv.SelfSigned(t, template, testenv.RSAKey(t, 0))
		identityOnce.ecdsa = testenv.SelfSigned(t, template, p256Key(t))
	})
}

// newConfig serves everything there is.
func newConfig(t testing.TB) *Config {
	t.Helper()
	return &Config{Certificate: identity(t), Suites: LegacySuites{RC4: true, DES: true}}
}

// configFor is newConfig with a key that goes with a suite.
func configFor(t testing.TB, suite uint16) *Config {
	t.Helper()
	config := newConfig(t)
	if IsECDSA(suite) {
		config.Certificate = &identityOnce.ecdsa
	}
	return config
}

// clientConfig is that of a crypto/tls client for one version and suite.
func clientConfig(t testing.TB, version, suite uint16) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(identity(t).Leaf)
	roots.AddCert(identityOnce.ecdsa.Leaf)
	return &tls.Config{
		ServerName: serverName, RootCAs: roots, MinVersion: version, MaxVersion: version, CipherSuites: []uint16{suite},
	}
}

// serve runs a server that sends back what it gets, until the client closes
// for writing, and returns how that ended.
func serve(conn net.Conn, config *Config) (<-chan error, *Conn) {
	s := Server(conn, config)
	ended := make(chan error, 1)
	servers.Go(func() {
		_, err := io.Copy(s, s)
		if err == nil {
			err = s.CloseWrite()
		}
		ended <- err
	})
	return ended, s
}

// agreed waits for the end of a server's handshake and returns the state
// then. A test must not call ConnectionState of a server by itself: when the
// client's handshake has ended, the server's may still go on.
func agreed(t testing.TB, server *Conn) ConnectionState {
	t.Helper()
	if err := server.Handshake(); err != nil {
		t.Errorf("the server's handshake failed: %v", err)
	}
	return server.ConnectionState()
}

// servers are the goroutines that use connections of this package.
var servers sync.WaitGroup

// TestMain fails if a server goes on after its client has closed.
func TestMain(m *testing.M) {
	code := m.Run()
	gone := make(chan struct{})
	go func() {
		servers.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-time.After(testenv.Patience):
		fmt.Println("FAIL: there are servers left whose clients have closed")
		code = 1
	}
	os.Exit(code)
}
