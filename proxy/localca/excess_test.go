package localca

import (
	"bytes"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// forged are certificates that somebody with the key of the CA would make. purpose is that
// of `openssl verify`. byName means that GnuTLS and NSS refuse it too: they do not look at
// the usage of a root.
var forged = map[string]struct {
	purpose string
	byName  bool
	change  func(*x509.Certificate)
}{
	"IPv4":         {"sslserver", true, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 1).To4()} }},
	"IPv6":         {"sslserver", true, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("fd00::1")} }},
	"foreign name": {"sslserver", true, func(c *x509.Certificate) { c.DNSNames = []string{"bank.example"} }},
	"foreign name beside a good one": {"sslserver", true,
		func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "bank.example") }},
	"client certificate": {"sslclient", false, func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}},
	"S/MIME": {"smimesign", false, func(c *x509.Certificate) {
		c.ExtKeyUsage, c.EmailAddresses = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}, []string{"ceo@outlook.com"}
	}},
	"code signing": {"codesign", false, func(c *x509.Certificate) {
		c.ExtKeyUsage, c.KeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, x509.KeyUsageDigitalSignature
	}},
	"client, without a usage": {"sslclient", false, func(c *x509.Certificate) {
		c.ExtKeyUsage, c.DNSNames, c.URIs = nil, nil, []*url.URL{{Scheme: "spiffe", Host: "x.example"}}
	}},
}

// A stolen CA key is of no use for anything but servers of the permitted names: openssl
// and Go refuse the rest. The ordinary leaf is good for all of them.
func TestStolenKeyForgesNothingElse(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl", "certtool")
	for _, critical := range []bool{false, true} {
		ca := open(t, Options{Permitted: []string{"outlook.com"}, CriticalConstraints: critical})
		if excess := ca.Excess(); len(excess) > 0 {
			t.Errorf("a new CA has %q", excess)
		}
		good := forgery(t, ca, func(*x509.Certificate) {})
		verifies(t, ca, good, true, "sslserver", true)
		for name, f := range forged {
			t.Run(name, func(t *testing.T) {
				verifies(t, ca, forgery(t, ca, f.change), false, f.purpose, f.byName)
			})
		}
	}
}

// forgery signs a leaf with a change.
func forgery(t *testing.T, ca *CA, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	now := time.Now()
	key, err := ca.keys[rsaBits].at(now)
	if err != nil {
		t.Fatal(err)
	}
	template := leafTemplate([]string{"smtp.outlook.com"}, now.Add(-time.Hour), now.Add(time.Hour))
	change(template)
	cert, err := ca.sign(template, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

// verifies wants the same of openssl and Go, and, if byName, of GnuTLS and NSS.
func verifies(t *testing.T, ca *CA, c *x509.Certificate, want bool, purpose string, byName bool) {
	t.Helper()
	file := testenv.WriteFile(t, "leaf.pem", testenv.CertificatePEM(c))
	check := func(program string, args ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
		unknown := bytes.Contains(out, []byte("unrecognized purpose")) // OpenSSL before 3.2 has none for programs
		if (err == nil) != want || unknown && purpose != "codesign" {
			t.Errorf("%s %s: %v, %s", program, strings.Join(args, " "), err, out)
		}
	}
	check("openssl", "verify", "-purpose", purpose, "-CAfile", ca.CertificateFile(), file)
	check("openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", ca.CertificateFile(), file)
	if byName {
		check("certtool", "--verify", "--load-ca-certificate", ca.CertificateFile(), "--verify-purpose", "1.3.6.1.5.5.7.3.1", "--infile", file)
		check("certutil", "-d", nssDatabase(t, ca, file), "-V", "-n", "leaf", "-u", "V", "-e")
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	asked := c.ExtKeyUsage
	if len(asked) == 0 {
		asked = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: asked}); (err == nil) != want {
		t.Errorf("Go: %v", err)
	}
}

// nssDatabase returns a database of NSS that trusts the CA for websites, and has a leaf.
func nssDatabase(t *testing.T, ca *CA, leaf string) string {
	t.Helper()
	testenv.Need(t, "certutil")
	db := "sql:" + t.TempDir()
	for _, args := range [][]string{
		{"-N", "--empty-password"},
		{"-A", "-n", "root", "-t", "C,,", "-a", "-i", ca.CertificateFile()},
		{"-A", "-n", "leaf", "-t", ",,", "-a", "-i", leaf},
	} {
		if out, err := exec.CommandContext(t.Context(), "certutil", append([]string{"-d", db}, args...)...).CombinedOutput(); err != nil {
			t.Errorf("certutil %s: %v, %s", args, err, out)
		}
	}
	return db
}

// A CA that an older tlslift has made, or an operator, goes on, and says what it could do.
func TestExcessOfOlderCAs(t *testing.T) {
	t.Parallel()
	key := testenv.RSAKey(t, 0)
	for name, tt := range map[string]struct {
		change func(*x509.Certificate)
		want   []string
	}{
		"of an older tlslift": {func(c *x509.Certificate) {
			c.PermittedDNSDomains = []string{"outlook.com"}
		}, []string{"S/MIME", "IP addresses"}},
		"without constraints": {func(*x509.Certificate) {}, []string{"S/MIME", "every host name", "IP addresses"}},
		"with the hosts of port 80": {func(c *x509.Certificate) {
			c.PermittedDNSDomains = []string{"Digicert.com", "outlook.com", "smtp.outlook.com", ".verisign.com", "outlook.com.example"}
			c.ExcludedDNSDomains, c.ExcludedIPRanges = []string{"verisign.com"}, allAddresses()
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}, []string{"no client is lifted to: digicert.com, outlook.com.example"}},
		"for a parent of what is needed, and much else": {func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.ExcludedIPRanges = []string{"com", "a", "b", "c", "d", "e", "f"}, allAddresses()
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}, []string{"no client is lifted to: com, a, b, c, d and 2 more"}},
		"for clients too": {func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.ExcludedIPRanges = []string{"outlook.com"}, allAddresses()
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		}, []string{"S/MIME"}},
		"IPv4 only": {func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.ExcludedIPRanges = []string{"outlook.com"}, allAddresses()[:1]
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}, []string{"IP addresses"}},
	} {
		template := caOf(name)
		tt.change(template)
		dir := put(t, testenv.CertificatePEM(testenv.Sign(t, template, template, key, key)), testenv.KeyPEM(t, key))
		before, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		got := open(t, Options{Dir: dir, Now: newClock().now, Permitted: []string{"outlook.com"}}).Excess()
		if len(got) != len(tt.want) {
			t.Errorf("%s: %q", name, got)
			continue
		}
		for i, want := range tt.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%s: %q, want %q", name, got[i], want)
			}
		}
		if after, err := os.ReadFile(filepath.Join(dir, "ca.pem")); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: ca.pem has changed", name)
		}
	}
}
