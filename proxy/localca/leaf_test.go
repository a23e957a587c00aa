package localca

import (
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/leafrsa"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const day = 24 * time.Hour

func TestLeaf(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{Now: newClock().now})
	got, err := ca.Leaf("SMTP.office365.com", []string{"outlook.com", "*.Outlook.com"}, Profile{})
	if err != nil {
		t.Fatal(err)
	}
	c := got.Leaf
	if c.Subject.String() != "CN=smtp.office365.com" {
		t.Errorf("subject is %s", c.Subject)
	}
	if want := []string{"smtp.office365.com", "outlook.com", "*.outlook.com"}; !slices.Equal(c.DNSNames, want) {
		t.Errorf("names are %q, want %q", c.DNSNames, want)
	}
	if !c.NotBefore.Equal(start.Add(-day)) || !c.NotAfter.Equal(start.Add(30*day)) {
		t.Errorf("valid from %s to %s", c.NotBefore, c.NotAfter)
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); !ok || key.N.BitLen() != 2048 || c.SignatureAlgorithm != x509.SHA256WithRSA {
		t.Errorf("key is a %T, signature %s", c.PublicKey, c.SignatureAlgorithm)
	}
	if c.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment ||
		!slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("key usage %b, extended %v", c.KeyUsage, c.ExtKeyUsage)
	}
	if c.IsCA || string(c.AuthorityKeyId) != string(ca.Certificate().SubjectKeyId) || c.CRLDistributionPoints != nil || c.OCSPServer != nil ||
		c.IssuingCertificateURL != nil {
		t.Errorf("CA %t, authority key id %x, addresses %q %q %q", c.IsCA, c.AuthorityKeyId, c.CRLDistributionPoints, c.OCSPServer,
			c.IssuingCertificateURL)
	}
	if len(got.Certificate) != 1 {
		t.Errorf("%d certificates are sent, want the leaf alone", len(got.Certificate))
	}
	for _, name := range []string{"smtp.office365.com", "any.outlook.com"} {
		if err := verify(ca, c, name, start); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLeafOfALongName(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	name64 := strings.Repeat("a", 56) + ".example"
	if c := leaf(t, ca, name64); c.Subject.CommonName != name64 {
		t.Errorf("common name of a name of 64 characters is %q", c.Subject.CommonName)
	}
	c := leaf(t, ca, "a"+name64)
	if c.Subject.CommonName != "" {
		t.Errorf("common name of a name of 65 characters is %q", c.Subject.CommonName)
	}
	if err := verify(ca, c, "a"+name64, time.Now()); err != nil {
		t.Error(err)
	}
}

func TestLeafOfNoName(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	for _, name := range []string{
		"", ".", "a.", "a..b", "*.a.example", "10.0.0.1", "::1", "a b", "a\nb", "ä.example",
		strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "a",
	} {
		if cert, err := ca.Leaf(name, nil, Profile{}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error is %v, names are %q", name, err, cert.Leaf.DNSNames)
		}
	}
	if ca.Issued() != 0 {
		t.Errorf("issued %d", ca.Issued())
	}
}

func TestLeafIsNotValidBeyondTheCA(t *testing.T) {
	t.Parallel()
	key, clock := testenv.RSAKey(t, 0), newClock()
	c := caOf("short")
	c.NotBefore, c.NotAfter = start.Add(-time.Hour), start.Add(6*time.Hour)
	ca := open(t, Options{Dir: put(t, testenv.CertificatePEM(testenv.Sign(t, c, c, key, key)), testenv.KeyPEM(t, key)), Now: clock.now})
	first := leaf(t, ca, "a.example")
	if !first.NotBefore.Equal(c.NotBefore) || !first.NotAfter.Equal(c.NotAfter) {
		t.Errorf("valid from %s to %s", first.NotBefore, first.NotAfter)
	}
	clock.add(3 * time.Hour)
	if second := leaf(t, ca, "a.example"); second.Equal(first) {
		t.Error("a leaf is handed out for half of what was left of its life")
	}
	clock.add(4 * time.Hour)
	want := fmt.Sprintf("making a leaf for a.example: %s expired at 2027-03-01T18:00:00Z; move the directory %s away", ca.CertificateFile(),
		ca.dir)
	if _, err := ca.Leaf("a.example", nil, Profile{}); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error is %v, want %s", err, want)
	}
	clock.add(-4 * time.Hour)
	leaf(t, ca, "a.example")
}

func TestLeafIsRenewed(t *testing.T) {
	t.Parallel()
	clock := newClock()
	ca := open(t, Options{Now: clock.now})
	first := leaf(t, ca, "a.example")
	clock.add(day - time.Second)
	if !leaf(t, ca, "a.example").Equal(first) {
		t.Error("another leaf after less than a day")
	}
	clock.add(time.Second)
	second := leaf(t, ca, "a.example")
	if second.Equal(first) || !second.NotAfter.Equal(first.NotAfter.Add(day)) {
		t.Errorf("after a day the leaf is valid to %s, before to %s", second.NotAfter, first.NotAfter)
	}
	if ca.Issued() != 2 {
		t.Errorf("issued %d", ca.Issued())
	}
	if n := ca.leaves.recent.Len(); n != 1 {
		t.Errorf("the cache holds %d leaves of one name", n)
	}
	// The clock was wrong and is set right.
	clock.add(-day - 12*time.Hour)
	third := leaf(t, ca, "a.example")
	if third.NotBefore.After(clock.now()) {
		t.Errorf("at %s there is a leaf valid from %s", clock.now(), third.NotBefore)
	}
}

func TestKeyOfTheLeavesRotates(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{2048, 1024} {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			ca := open(t, Options{Now: clock.now})
			keyOf := func(name string) *rsa.PublicKey {
				return profiled(t, ca, name, Profile{Bits: bits}).Leaf.PublicKey.(*rsa.PublicKey)
			}
			first := keyOf("a.example")
			if !first.Equal(keyOf("b.example")) {
				t.Error("two leaves have two keys")
			}
			clock.add(7*day - time.Second)
			if !first.Equal(keyOf("c.example")) {
				t.Error("the key changed within its seven days")
			}
			clock.add(time.Second)
			second := keyOf("d.example")
			if first.Equal(second) {
				t.Error("the key is still the same after seven days")
			}
			if !first.Equal(keyOf("c.example")) {
				t.Error("a leaf with the old key did not stay")
			}
			clock.add(day)
			if !second.Equal(keyOf("c.example")) {
				t.Error("a leaf with the old key is still there a day later")
			}
		})
	}
}

// While one caller makes the next key, others get on with the old one.
func TestRotationHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	clock := newClock()
	ca := open(t, Options{Now: clock.now})
	old := leaf(t, ca, "a.example").PublicKey.(*rsa.PublicKey)
	clock.add(8 * day)
	ca.keys[rsaBits].changing.Lock() // as the caller does that makes the key
	defer ca.keys[rsaBits].changing.Unlock()
	if !old.Equal(leaf(t, ca, "b.example").PublicKey) {
		t.Error("the key changed")
	}
}

// A client with RSA key exchange, as many printers have it, over real TLS.
func TestHandshake(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{Permitted: []string{"outlook.com"}})
	cert, err := ca.Leaf("smtp.outlook.com", []string{"*.outlook.com"}, Profile{})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	dialer := tls.Dialer{Config: &tls.Config{
		RootCAs: roots, ServerName: "other.outlook.com", MinVersion: tls.VersionTLS10, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA},
	}}
	conn, err := dialer.DialContext(t.Context(), "tcp", serveHello(t, cert))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "hello\n" {
		t.Errorf("read %q, error %v", got, err)
	}
	_ = conn.Close()
}

func BenchmarkLeafHit(b *testing.B) {
	ca := open(b, Options{})
	mirror := []string{"outlook.com", "*.outlook.com", "*.office365.com", "smtp.office365.com"}
	leaf(b, ca, "smtp.office365.com", mirror...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ca.Leaf("smtp.office365.com", mirror, Profile{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLeafMiss(b *testing.B) {
	ca := open(b, Options{CacheSize: 1})
	names := []string{"smtp.office365.com", "outlook.office365.com"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := ca.Leaf(names[i%2], []string{"*.outlook.com"}, Profile{}); err != nil {
			b.Fatal(err)
		}
	}
}

// The key of the leaves is of the kind that is fastest here, and not that of the CA.
func TestLeafKeyIsFast(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	for _, bits := range []int{2048, 1024} {
		key := profiled(t, ca, "a.example", Profile{Bits: bits}).PrivateKey
		if _, decrypts := key.(crypto.Decrypter); !decrypts {
			t.Errorf("a %T does no RSA key exchange", key)
		}
		if _, is := key.(*leafrsa.Key); is != leafrsa.Fast(bits) {
			t.Errorf("the key of %d bits is a %T", bits, key)
		}
		if ca.key.PublicKey.Equal(key.(crypto.Signer).Public()) {
			t.Error("the key of a leaf is that of the CA")
		}
	}
}
