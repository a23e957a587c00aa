package deviceca

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// Others read what is issued, in each form, and verify it by the device CA.
func TestOthersReadWhatIsIssued(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl", "certtool", "keytool", "pk12util")
	h := newHome(t, "TLSLIFT_CRL_URL=http://tlslift.example.com:8080")
	ca := filepath.Join(h.options.Dir, "ca.pem")
	for name, change := range map[string]func(*Issue){
		"usual":  func(i *Issue) { i.Key = "rsa2048" },
		"legacy": func(i *Issue) { i.Legacy, i.Key = true, "rsa1024" },
		"p256":   func(*Issue) {},
		"old":    func(i *Issue) { i.SHA1, i.Legacy = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := ordinary(t, "copier 3")
			i.DNS, i.IP = []string{"Copier-3.contoso.local", "copier-3"}, []string{"192.168.20.31", "fd00::31"}
			change(&i)
			said, word := issue(t, h, i)
			if len(word) != passwordLength || strings.Contains(said, word) {
				t.Errorf("the password is %q, and it said %s", word, said)
			}
			read := []string{"pkcs12", "-in", i.Output, "-passin", "pass:" + word, "-nodes"}
			if i.Legacy { // with MAC and encryption of old devices
				info := output(t, "openssl", append(read, "-info", "-legacy", "-noout")...)
				if !strings.Contains(info, "MAC: sha1, Iteration 2048") || strings.Count(info, "pbeWithSHA1And3-KeyTripleDES-CBC") != 2 {
					t.Errorf("it is %s", info)
				}
			}
			got := output(t, "certtool", "--p12-info", "--inder", "--infile", i.Output, "--password", word)
			if !strings.Contains(got, "Certificate") {
				t.Errorf("certtool: %s", got)
			}
			if got := output(t, "pk12util", "-l", i.Output, "-W", word); !strings.Contains(got, "has private key") {
				t.Errorf("NSS: %s", got)
			}
			text := output(t, "openssl", read...)
			if !strings.Contains(text, "PRIVATE KEY") || bytes.Contains([]byte(text), keyText(t, h)) {
				t.Errorf("there is no key in it, or that of the CA: %s", text)
			}
			all := testenv.WriteFile(t, "all.pem", []byte(text))
			certs := certificatesIn(t, all)
			if len(certs) != 2 || certs[0].Subject.CommonName != "copier 3" {
				t.Fatalf("there are %d certificates", len(certs))
			}
			file := testenv.WriteFile(t, "device.pem", testenv.CertificatePEM(certs[0]))
			for _, purpose := range []string{"sslclient", "sslserver"} {
				args := []string{"verify", "-CAfile", ca, "-purpose", purpose, "-verify_hostname", "copier-3.contoso.local", file}
				if i.SHA1 || i.Key == "rsa1024" {
					args = slices.Insert(args, 1, "-auth_level", "0")
				} else {
					args = slices.Insert(args, 1, "-x509_strict")
				}
				output(t, "openssl", args...)
			}
			if !i.SHA1 && i.Key != "rsa1024" {
				output(t, "certtool", "--verify", "--load-ca-certificate", ca, "--infile", file)
			}
			if i.Key != "p256" { // two are enough: each start of Java takes long
				list := output(t, "keytool", "-J-XX:TieredStopAtLevel=1", "-list", "-keystore", i.Output, "-storepass", word)
				if !strings.Contains(list, "PrivateKeyEntry") {
					t.Errorf("keytool: %s", list)
				}
			}
			if want := h.listURL(public(t, h)); !slices.Equal(certs[0].CRLDistributionPoints, []string{want}) || !strings.Contains(said, want) {
				t.Errorf("it names the lists %q, want %q", certs[0].CRLDistributionPoints, want)
			}
		})
	}
}

// What a client needs and no more: without a name of a web page, it is no server's.
func TestIssuedUsages(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for _, test := range []struct {
		dns    []string
		usages []x509.ExtKeyUsage
	}{
		{nil, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
		{[]string{"copier"}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}},
	} {
		i := ordinary(t, "copier")
		i.PEM, i.DNS, i.Days = true, test.dns, maxDays
		_, word := issue(t, h, i)
		c := certificatesIn(t, i.Output)
		if len(c) != 2 || word != "" || !slices.Equal(c[0].ExtKeyUsage, test.usages) || !slices.Equal(c[0].DNSNames, test.dns) || c[0].IsCA ||
			len(c[0].CRLDistributionPoints) > 0 || c[0].NotAfter.After(c[1].NotAfter) || c[0].NotBefore.Before(c[1].NotBefore) {
			t.Errorf("%q: %d certificates, %+v", test.dns, len(c), c[0])
		}
		if info, err := os.Stat(i.Output); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}
	i := ordinary(t, "old")
	i.PEM, i.Legacy, i.Key = true, true, "rsa1024"
	issue(t, h, i)
	if text, err := os.ReadFile(i.Output); err != nil || !bytes.HasPrefix(text, []byte("-----BEGIN RSA PRIVATE KEY-----")) {
		t.Errorf("%v, %.40s", err, text)
	}
}

// The first use makes the CA, with its register; the next one uses it.
func TestFirstUseMakesTheDeviceCA(t *testing.T) {
	t.Parallel()
	h := emptyHome(t)
	i := ordinary(t, "copier")
	i.Domains, i.DNS = []string{"Contoso.local"}, []string{"copier.contoso.local"}
	said, _ := issue(t, h, i)
	c := public(t, h).Certificate()
	if !strings.Contains(said, "A device CA is made in "+h.options.Dir) || !slices.Equal(c.PermittedDNSDomains, []string{"contoso.local"}) {
		t.Errorf("it said %s, and permits %q", said, c.PermittedDNSDomains)
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(h.options.Dir, name))
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != map[string]os.FileMode{"ca.pem": 0o644}[name]|0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	again := ordinary(t, "scanner")
	if said, _ := issue(t, h, again); strings.Contains(said, "is made") {
		t.Errorf("the second one: %s", said)
	}
	again = ordinary(t, "fax")
	again.Domains = []string{"contoso.local"}
	issue(t, h, again) // the same command for the next device
	other := ordinary(t, "fax")
	other.Domains = []string{"fabrikam.local"}
	for want, i := range map[string]Issue{
		"is limited to contoso.local; leave it out": other, "it is limited to contoso.local;": named(ordinary(t, "x"), "x.fabrikam.local"),
	} {
		if _, _, err := run(t, h, i); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if _, err := os.Stat(i.Output); err == nil {
			t.Error("a file is left")
		}
	}
}

func named(i Issue, hosts ...string) Issue {
	i.DNS = hosts
	return i
}

// A file that is there is not replaced, and nothing is issued, without --force.
func TestOutputIsNotReplaced(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	i := ordinary(t, "copier")
	if err := os.WriteFile(i.Output, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := run(t, h, i); err == nil || !strings.Contains(err.Error(), "--force") || len(listed(t, h)) > 0 {
		t.Errorf("got %v, and %v is issued", err, listed(t, h))
	}
	nowhere := i
	nowhere.Output = filepath.Join(t.TempDir(), "none", "device.p12")
	if _, _, err := run(t, h, nowhere); err == nil || len(listed(t, h)) > 0 {
		t.Errorf("got %v, and %v is issued", err, listed(t, h))
	}
	i.Force = true
	issue(t, h, i)
	if text, err := os.ReadFile(i.Output); err != nil || string(text) == "mine" || len(listed(t, h)) != 1 {
		t.Errorf("got %q, %v, and %v is issued", text, err, listed(t, h))
	}
	i.Output = t.TempDir()
	if _, _, err := run(t, h, i); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
}

// The password of a file is used, and is said to nobody.
func TestPasswordFile(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	i := ordinary(t, "copier")
	i.PasswordFile = testenv.WriteFile(t, "password", []byte("open sesame\n"))
	said, word := issue(t, h, i)
	if word != "" || strings.Contains(said, "sesame") {
		t.Errorf("it said %q %q", said, word)
	}
	output(t, "openssl", "pkcs12", "-in", i.Output, "-passin", "pass:open sesame", "-noout")
	i.PasswordFile = testenv.WriteFile(t, "empty", nil)
	i.Output += "2"
	if _, _, err := run(t, h, i); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("got %v", err)
	}
}

func TestIssueRefusesWrongUsage(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Issue){
		"--output is missing":    func(i *Issue) { i.Output = "" },
		"--key: \"rsa4096\" is":  func(i *Issue) { i.Key = "rsa4096" },
		"--days: give a number":  func(i *Issue) { i.Days = 0 },
		"--days: give":           func(i *Issue) { i.Days = maxDays + 1 },
		"is for PKCS #12":        func(i *Issue) { i.PEM, i.PasswordFile = true, "x" },
		"--legacy with --pem is": func(i *Issue) { i.PEM, i.Legacy = true, true },
	} {
		i := ordinary(t, "copier")
		change(&i)
		if err := i.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Commands at the same moment lose nothing that another one has issued or revoked.
func TestCommandsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	issue(t, h, ordinary(t, "stolen"))
	const n = 8
	errs := make(chan error, n+1)
	var all sync.WaitGroup
	for n := range n {
		i := ordinary(t, fmt.Sprintf("device %d", n))
		all.Go(func() { errs <- i.Run(h, io.Discard, io.Discard) })
	}
	all.Go(func() {
		_, err := revoke(h, Revocation{Asked: "stolen"})
		errs <- err
	})
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	revoked := 0
	for _, i := range listed(t, h) {
		if !i.Revoked.IsZero() {
			revoked++
		}
	}
	if got := listed(t, h); len(got) != n+1 || revoked != 1 {
		t.Errorf("%d are issued, %d are revoked", len(got), revoked)
	}
}

// What root makes belongs to the owner of the state directory, who can read it.
func TestIssuedByRootIsTheOwners(t *testing.T) {
	t.Parallel()
	testenv.NeedRoot(t, "give a file to another user")
	const user = 65532
	h := emptyHome(t)
	if err := os.Chown(h.cfg.StateDir, user, user); err != nil {
		t.Fatal(err)
	}
	issue(t, h, ordinary(t, "copier"))
	issue(t, h, ordinary(t, "scanner"))
	for _, path := range append([]string{"."}, names...) {
		if got := testenv.Owner(t, filepath.Join(h.options.Dir, path)); got != user {
			t.Errorf("%s belongs to %d", path, got)
		}
	}
	// The owner leads root nowhere else.
	outside := t.TempDir()
	if err := os.Rename(h.options.Dir, filepath.Join(outside, "dir")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "dir"), h.options.Dir); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-time.Hour)
	register := filepath.Join(outside, "dir", registerName)
	if err := os.Chtimes(register, before, before); err != nil {
		t.Fatal(err)
	}
	if _, _, err := run(t, h, ordinary(t, "fax")); err == nil {
		t.Error("root wrote through a link")
	}
	if info, err := os.Stat(register); err != nil || !info.ModTime().Equal(before.Truncate(0)) {
		t.Errorf("%v, %v", info.ModTime(), err)
	}
}
