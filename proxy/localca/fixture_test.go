package localca

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// start is the time at which the tests that set the clock begin.
var start = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: start} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func open(t testing.TB, o Options) *CA {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "ca")
	}
	ca, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func leaf(t testing.TB, ca *CA, name string, mirror ...string) *x509.Certificate {
	t.Helper()
	cert, err := ca.Leaf(name, mirror, Profile{})
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

func profiled(t testing.TB, ca *CA, name string, p Profile) *tls.Certificate {
	t.Helper()
	cert, err := ca.Leaf(name, nil, p)
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	return cert
}

// caOf is the template of an operator's CA that is valid around start.
func caOf(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: newSerial(), Subject: pkix.Name{CommonName: name},
		NotBefore: start.AddDate(-1, 0, 0), NotAfter: start.AddDate(1, 0, 0),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

// put writes the files of a CA into a new directory; nil leaves one out.
func put(t testing.TB, cert, key []byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{"ca.pem": cert, "ca.key": key} {
		if data == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// verify checks a leaf as a client would that has only the CA's certificate.
func verify(ca *CA, c *x509.Certificate, name string, at time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	_, err := c.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: at})
	return err
}
