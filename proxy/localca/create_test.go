package localca

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestFirstStartMakesACA(t *testing.T) {
	t.Parallel()
	c := newClock()
	ca := open(t, Options{Permitted: []string{"office365.com", "Outlook.com"}, Now: c.now})
	cert := ca.Certificate()
	if !ca.Created() {
		t.Error("Created is false after the first start")
	}
	if !regexp.MustCompile(`^CN=tlslift CA [0-9A-F]{8},O=tlslift$`).MatchString(cert.Subject.String()) {
		t.Errorf("subject is %s", cert.Subject)
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); !ok || key.N.BitLen() != 2048 {
		t.Errorf("key is a %T, want RSA of 2048 bits", cert.PublicKey)
	}
	if cert.SignatureAlgorithm != x509.SHA256WithRSA {
		t.Errorf("signature is %s", cert.SignatureAlgorithm)
	}
	if !cert.NotBefore.Equal(start.AddDate(0, 0, -1)) || !cert.NotAfter.Equal(start.AddDate(10, 0, 0)) {
		t.Errorf("valid from %s to %s", cert.NotBefore, cert.NotAfter)
	}
	if !cert.IsCA || !cert.MaxPathLenZero || cert.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || len(cert.SubjectKeyId) == 0 {
		t.Errorf("CA %t, path length 0 %t, key usage %b, key id %x", cert.IsCA, cert.MaxPathLenZero, cert.KeyUsage, cert.SubjectKeyId)
	}
	if want := []string{"office365.com", "outlook.com"}; !slices.Equal(cert.PermittedDNSDomains, want) {
		t.Errorf("permitted are %q, want %q", cert.PermittedDNSDomains, want)
	}
	if cert.PermittedDNSDomainsCritical {
		t.Error("name constraints are critical without having been asked for")
	}
	if err := cert.CheckSignatureFrom(cert); err != nil {
		t.Error(err)
	}
}

func TestNameConstraintsOnRequest(t *testing.T) {
	t.Parallel()
	if c := open(t, Options{Permitted: []string{"a.example"}, CriticalConstraints: true}).Certificate(); !c.PermittedDNSDomainsCritical {
		t.Error("name constraints are not critical")
	}
	if c := open(t, Options{CriticalConstraints: true}).Certificate(); c.PermittedDNSDomains != nil || hasExtension(c, "2.5.29.30") {
		t.Error("a CA without permitted domains has name constraints")
	}
}

func hasExtension(c *x509.Certificate, oid string) bool {
	for _, e := range c.Extensions {
		if e.Id.String() == oid {
			return true
		}
	}
	return false
}

func TestSecondStartLoadsTheSameCA(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state", "ca")
	first := open(t, Options{Dir: dir, Permitted: []string{"a.example"}})
	second := open(t, Options{Dir: dir + "/", Permitted: []string{"b.example"}})
	if second.Created() {
		t.Error("Created is true at the second start")
	}
	if first.Fingerprint() != second.Fingerprint() || !second.Covers("a.example") {
		t.Errorf("%s became %s", first, second)
	}
	if first.CertificateFile() != filepath.Join(dir, "ca.pem") || first.CertificateFile() != second.CertificateFile() {
		t.Errorf("certificate files are %s and %s", first.CertificateFile(), second.CertificateFile())
	}
}

func TestTwoCAsDiffer(t *testing.T) {
	t.Parallel()
	a, b := open(t, Options{}).Certificate(), open(t, Options{}).Certificate()
	if a.Subject.String() == b.Subject.String() || a.SerialNumber.Cmp(b.SerialNumber) == 0 {
		t.Errorf("two installations both have %s, serial %x", a.Subject, a.SerialNumber)
	}
}

func TestFileModes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := filepath.Join(t.TempDir(), "state", "ca")
	open(t, Options{Dir: dir})
	for path, want := range map[string]os.FileMode{dir: 0o700, dir + "/ca.pem": 0o644, dir + "/ca.key": 0o600, filepath.Dir(dir): 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
}

func TestManyStartsAtOnceMakeOneCA(t *testing.T) {
	t.Parallel()
	for _, existing := range []string{"absent", "empty"} {
		t.Run(existing, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "ca")
			if existing == "empty" {
				mustMkdir(t, dir)
			}
			cas := make([]*CA, 6)
			var all sync.WaitGroup
			for i := range cas {
				all.Go(func() {
					var err error
					if cas[i], err = Open(Options{Dir: dir}); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if t.Failed() {
				return
			}
			created := 0
			for _, ca := range cas {
				if ca.Created() {
					created++
				}
				if ca.Fingerprint() != cas[0].Fingerprint() {
					t.Errorf("%s and %s at the same time", ca, cas[0])
				}
			}
			if created != 1 {
				t.Errorf("%d of them say that they made it", created)
			}
			if left := entries(t, filepath.Dir(dir)); !slices.Equal(left, []string{"ca"}) {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// The others must not replace what the winner put in place after they looked.
func TestPlaceKeepsTheWinner(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	winner, loser := filepath.Join(parent, "ca"), filepath.Join(parent, "made")
	mustMkdir(t, winner)
	mustMkdir(t, loser)
	for _, dir := range []string{winner, loser} {
		if err := os.WriteFile(filepath.Join(dir, "ca.key"), []byte(dir), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if placed, err := place(loser, winner); placed || err != nil {
		t.Errorf("placed %t, error %v", placed, err)
	}
	if got, err := os.ReadFile(filepath.Join(winner, "ca.key")); err != nil || string(got) != winner {
		t.Errorf("the winner's key is now %q, error %v", got, err)
	}
}

func mustMkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found {
		names = append(names, e.Name())
	}
	return names
}

func TestCrashLeftoversAreNoTrouble(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	stale := filepath.Join(parent, ".ca.new-1234")
	mustMkdir(t, stale)
	if err := os.WriteFile(filepath.Join(stale, "ca.key"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ca := open(t, Options{Dir: filepath.Join(parent, "ca")}); !ca.Created() {
		t.Error("no CA was made")
	}
	if got := entries(t, parent); !slices.Equal(got, []string{".ca.new-1234", "ca"}) {
		t.Errorf("there is %q now", got)
	}
}

func TestSymlinkToAnEmptyDirectoryStays(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	target, link := filepath.Join(parent, "real"), filepath.Join(parent, "ca")
	mustMkdir(t, target)
	if err := os.Symlink(target, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	open(t, Options{Dir: link})
	if got, err := os.Readlink(link); err != nil || got != target {
		t.Errorf("the link is now %q, error %v", got, err)
	}
	if got := entries(t, target); !slices.Equal(got, []string{"ca.key", "ca.pem"}) {
		t.Errorf("its target holds %q", got)
	}
}

func TestCannotMakeACA(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	y1970 := func() time.Time { return time.Unix(100, 0) }
	for name, test := range map[string]struct {
		options Options
		want    string
	}{
		"no directory":          {Options{}, "no directory for the CA is given"},
		"directory is a file":   {Options{Dir: file}, file},
		"parent is a file":      {Options{Dir: filepath.Join(file, "ca")}, file},
		"wildcard permitted":    {Options{Permitted: []string{"*.a.example"}}, `name constraint "*.a.example" is not a domain name`},
		"leading dot permitted": {Options{Permitted: []string{".a.example"}}, `name constraint ".a.example" is not a domain name`},
		"address permitted":     {Options{Permitted: []string{"10.0.0.1"}}, `name constraint "10.0.0.1" is not a domain name`},
		"clock never set":       {Options{Now: y1970}, "the clock says 1970-01-01T00:01:40Z; set it first"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.options.Dir == "" && name != "no directory" {
				test.options.Dir = filepath.Join(t.TempDir(), "ca")
			}
			_, err := Open(test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v, want one line with %q", err, test.want)
			}
			if got, err := os.ReadFile(file); err != nil || string(got) != "precious" {
				t.Errorf("the file is now %q, error %v", got, err)
			}
		})
	}
}

func TestReadOnlyParent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("every directory is writable for root, and modes do not matter on Windows")
	}
	parent := t.TempDir()
	if err := os.Chmod(parent, 0o555); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Options{Dir: filepath.Join(parent, "ca")})
	want := "let the user that runs tlslift write to " + parent + ", or choose another state directory"
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error is %v, want one that ends in %q", err, want)
	}
}

func TestSerialNumbersAreOfOneLength(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		b := newSerial().Bytes()
		if len(b) != 16 || b[0]&0x80 != 0 {
			t.Fatalf("serial number %x", b)
		}
		seen[string(b)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("only %d of 1000 serial numbers differ", len(seen))
	}
}

func TestHandedOutFileHoldsOnlyTheCertificate(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	got, err := os.ReadFile(ca.CertificateFile())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, testenv.CertificatePEM(ca.Certificate())) {
		t.Errorf("%s holds %s", ca.CertificateFile(), got)
	}
}
