package legacytls

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

const (
	serverName = "smtp.office365.com"
	// patience bounds every wait; a test that runs into it has failed.
	patience = 20 * time.Second
)

// identity is a certificate that vouches for itself.
var identity = sync.OnceValues(func() (*tls.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
})

// newConfig serves everything there is.
func newConfig(t testing.TB) *Config {
	t.Helper()
	certificate, err := identity()
	if err != nil {
		t.Fatal(err)
	}
	return &Config{Certificate: certificate, Suites: LegacySuites{RC4: true, DES: true}}
}

// clientConfig is that of a crypto/tls client for one version and suite.
func clientConfig(t testing.TB, version, suite uint16) *tls.Config {
	t.Helper()
	certificate, err := identity()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	return &tls.Config{
		ServerName: serverName, RootCAs: roots, MinVersion: version, MaxVersion: version, CipherSuites: []uint16{suite},
	}
}

// pipe is a connection over loopback whose ends end with the test.
func pipe(t testing.TB) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{client, server} {
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	return client, server
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

// TestMain fails if a server goes on after its client has gone.
func TestMain(m *testing.M) {
	code := m.Run()
	gone := make(chan struct{})
	go func() {
		servers.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-time.After(patience):
		fmt.Println("FAIL: there are servers left whose clients have gone")
		code = 1
	}
	os.Exit(code)
}
