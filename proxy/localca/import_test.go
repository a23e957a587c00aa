package localca

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A company is a root that has signed an intermediate CA.
type company struct {
	root, intermediate *x509.Certificate
	rootKey, key       *rsa.PrivateKey
}

// companyOf returns one whose templates were changed.
func companyOf(t testing.TB, change func(root, intermediate *x509.Certificate)) company {
	t.Helper()
	c := company{rootKey: testenv.RSAKey(t, 0), key: testenv.RSAKey(t, 1)}
	now := time.Now()
	template := func(name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: newSerial(), Subject: pkix.Name{CommonName: name}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(5, 0, 0),
			BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, MaxPathLen: -1,
		}
	}
	root, intermediate := template("Contoso Root"), template("Contoso tlslift CA")
	intermediate.MaxPathLen, intermediate.MaxPathLenZero = 0, true
	intermediate.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	intermediate.PermittedDNSDomains, intermediate.ExcludedIPRanges = []string{"outlook.com"}, allAddresses()
	if change != nil {
		change(root, intermediate)
	}
	c.root = testenv.Sign(t, root, root, c.rootKey, c.rootKey)
	c.intermediate = testenv.Sign(t, intermediate, c.root, c.key, c.rootKey)
	return c
}

func (c company) bundle() Bundle { return Bundle{[]*x509.Certificate{c.root, c.intermediate}, c.key} }

func TestImportedIntermediateGoesWithItsLeaves(t *testing.T) {
	t.Parallel()
	c := companyOf(t, nil)
	dir := filepath.Join(t.TempDir(), "ca")
	o := Options{Dir: dir, Permitted: []string{"outlook.com"}}
	b, err := ParseBundle(testenv.CertificatePEM(c.root, c.intermediate), testenv.KeyPEM(t, c.key))
	if err != nil {
		t.Fatal(err)
	}
	imported, warnings, err := Import(o, b)
	if err != nil || len(warnings) > 0 || len(imported.Path()) != 2 || imported.CertificateFile() != filepath.Join(dir, "ca.pem") {
		t.Fatalf("%+v, %q, %v", imported, warnings, err)
	}
	ca := open(t, o)
	if ca.Created() || !ca.Certificate().Equal(c.intermediate) {
		t.Fatalf("it is %v", ca)
	}
	cert := profiled(t, ca, "smtp.outlook.com", Profile{})
	if len(cert.Certificate) != 2 || !slices.Equal(cert.Certificate[1], c.intermediate.Raw) {
		t.Errorf("%d certificates are sent", len(cert.Certificate))
	}
}

// Beside a CA that clients have, an imported one is the new one of a rotation.
func TestImportBesideACA(t *testing.T) {
	t.Parallel()
	c := companyOf(t, nil)
	p := rotating(t)
	if err := CancelRotation(p.dir); err != nil {
		t.Fatal(err)
	}
	imported, _, err := Import(Options{Dir: p.dir}, c.bundle())
	if err != nil || imported.CertificateFile() != filepath.Join(NewDir(p.dir), "ca.pem") {
		t.Fatalf("%+v, %v", imported, err)
	}
	if fingerprintOf(t, p.dir) != p.old || fingerprintOf(t, NewDir(p.dir)) != Fingerprint(c.intermediate) {
		t.Error("it is not the new CA")
	}
	if _, _, err := Import(Options{Dir: p.dir}, c.bundle()); err == nil {
		t.Error("a new CA was overwritten")
	}
}

func TestImportRefusesWhatClientsWould(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for want, change := range map[string]func(root, intermediate *x509.Certificate){
		"is not the certificate of a CA": func(_, c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false },
		"expired at":                     func(_, c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) },
		"is not valid before":            func(_, c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) },
		"Contoso Root expired at":        func(root, _ *x509.Certificate) { root.NotAfter = now.Add(-time.Hour) },
		"(pathlen)":                      func(root, _ *x509.Certificate) { root.MaxPathLen, root.MaxPathLenZero = 0, true },
		"is not for servers":             func(_, c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} },
	} {
		dir := filepath.Join(t.TempDir(), "ca")
		_, _, err := Import(Options{Dir: dir}, companyOf(t, change).bundle())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if empty, err := vacant(dir); !empty || err != nil {
			t.Errorf("%s: something was written, %v", want, err)
		}
	}
	c := companyOf(t, nil)
	c.key = testenv.RSAKey(t, 2)
	if _, _, err := Import(Options{Dir: t.TempDir()}, c.bundle()); err == nil || !strings.Contains(err.Error(), "the key belongs to none") {
		t.Errorf("got %v", err)
	}
}

func TestImportWarnsOfWhatIsOpen(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(root, intermediate *x509.Certificate){
		"it can sign for every host name":            func(_, c *x509.Certificate) { c.PermittedDNSDomains = nil },
		"it can sign for IP addresses":               func(_, c *x509.Certificate) { c.ExcludedIPRanges = nil },
		"it expires in 9 days":                       func(_, c *x509.Certificate) { c.NotAfter = time.Now().Add(10*24*time.Hour - time.Minute) },
		"may not sign for hosts that clients are li": func(_, c *x509.Certificate) { c.PermittedDNSDomains = []string{"contoso.com"} },
		"it may not sign a revocation list":          func(_, c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign },
		"is signed with SHA-1":                       func(_, c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA },
	} {
		o := Options{Dir: filepath.Join(t.TempDir(), "ca"), Permitted: []string{"outlook.com"}}
		_, warnings, err := Import(o, companyOf(t, change).bundle())
		if err != nil || !strings.Contains(strings.Join(warnings, "\n"), want) {
			t.Errorf("got %q, %v, want %q", warnings, err, want)
		}
	}
	c := companyOf(t, nil)
	_, warnings, err := Import(Options{Dir: t.TempDir()}, Bundle{[]*x509.Certificate{c.intermediate}, c.key})
	if err != nil || !strings.Contains(strings.Join(warnings, "\n"), "the certificate of CN=Contoso Root, which has signed it") {
		t.Errorf("got %q, %v", warnings, err)
	}
}

// A CA that is signed with SHA-1 is warned of, and is not taken for one whose root is not in
// the file; one that another CA has signed is.
func TestImportOfAnOldCompany(t *testing.T) {
	t.Parallel()
	old := func(_, c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }
	c := companyOf(t, old)
	forged, other, root := c, testenv.RSAKey(t, 2), *c.root
	root.PublicKey = &other.PublicKey
	forged.intermediate = testenv.Sign(t, c.intermediate, &root, c.key, other)
	above := companyOf(t, func(root, _ *x509.Certificate) { root.SignatureAlgorithm = x509.SHA1WithRSA })
	for what, test := range map[string]struct {
		company           company
		path              int
		warnsOf, isSilent string
	}{
		"its own":             {c, 2, "CN=Contoso tlslift CA is signed with SHA-1", "is not in the file"},
		"the root itself":     {above, 2, "", "SHA-1"},
		"by another key":      {forged, 1, "is not in the file", ""},
		"without a signature": {company{root: c.root, intermediate: spoilt(t, c.intermediate), key: c.key}, 1, "is not in the file", ""},
	} {
		ca, warnings, err := Import(Options{Dir: filepath.Join(t.TempDir(), "ca")}, test.company.bundle())
		said := strings.Join(warnings, "\n")
		if err != nil || len(ca.Path()) != test.path || !strings.Contains(said, test.warnsOf) ||
			test.isSilent != "" && strings.Contains(said, test.isSilent) {
			t.Errorf("%s: %v, %q", what, err, warnings)
		}
	}
}

// spoilt returns a certificate whose signature is wrong.
func spoilt(t *testing.T, c *x509.Certificate) *x509.Certificate {
	t.Helper()
	der := slices.Clone(c.Raw)
	der[len(der)-1] ^= 1
	again, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// Clients that have the company's root alone verify a leaf, by the intermediate CA that they
// are sent.
func TestOpenSSLVerifiesByTheCompanysRoot(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	c := companyOf(t, nil)
	o := Options{Dir: filepath.Join(t.TempDir(), "ca")}
	if _, _, err := Import(o, c.bundle()); err != nil {
		t.Fatal(err)
	}
	ca := open(t, o)
	address := testenv.Serve(t, func(conn net.Conn) {
		secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*profiled(t, ca, "smtp.outlook.com", Profile{})}})
		_, _ = io.WriteString(secure, "hello\n")
		_ = secure.Close()
	}).String()
	out, err := exec.CommandContext(t.Context(), "openssl", "s_client", "-connect", address, "-verify_return_error", "-showcerts", "-ign_eof",
		"-CAfile", testenv.WriteFile(t, "root.pem", testenv.CertificatePEM(c.root)), "-verify_hostname", "smtp.outlook.com").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Verify return code: 0 (ok)") || strings.Count(string(out), "BEGIN CERTIFICATE") != 2 {
		t.Errorf("%v, %s", err, out)
	}
}

func TestParseBundleSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	const encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
	c := companyOf(t, nil)
	certs, key := testenv.CertificatePEM(c.intermediate), testenv.KeyPEM(t, c.key)
	for want, texts := range map[string][][]byte{
		"there is no certificate in PEM form":     {key},
		"there is no private key in PEM form":     {certs},
		"old devices know only RSA":               {certs, testenv.KeyPEM(t, testenv.ECDSAKey(t))},
		"is encrypted":                            {certs, []byte(encrypted)},
		"a certificate is broken":                 {[]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), key},
		"holds no private key in PEM form":        {certs, []byte("PRIVATE KEY")},
		"there is no certificate in PEM form\x00": {},
	} {
		_, err := ParseBundle(texts...)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(want, "\x00")) && want != "old devices know only RSA" {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if b, err := ParseBundle(slices.Concat(key, certs)); err != nil || len(b.Certificates) != 1 || !b.Key.Equal(c.key) {
		t.Errorf("one file with both: %+v, %v", b, err)
	}
}

func FuzzParseBundle(f *testing.F) {
	c := companyOf(f, nil)
	f.Add(testenv.CertificatePEM(c.root, c.intermediate), []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, certs, key []byte) {
		b, err := ParseBundle(certs, key)
		if err == nil && (b.Key == nil || len(b.Certificates) == 0) {
			t.Errorf("%+v", b)
		}
		if err == nil {
			_, _ = b.public(time.Now())
		}
	})
}

// An imported CA does not come before one that an interrupted step has left as the only one.
func TestImportAfterAnInterruptedFinish(t *testing.T) {
	t.Parallel()
	p := rotating(t)
	if err := os.Rename(p.dir, p.dir+goneSuffix); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Import(Options{Dir: p.dir}, companyOf(t, nil).bundle()); !errors.Is(err, ErrRotating) {
		t.Errorf("it was imported: %v", err)
	}
	if err := FinishRotation(Options{Dir: p.dir}); err != nil || fingerprintOf(t, p.dir) != p.new {
		t.Errorf("the rotation was not finished: %v", err)
	}
}
