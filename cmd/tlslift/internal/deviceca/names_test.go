package deviceca

import (
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// The names of a device are never those of a destination or of Microsoft, in no spelling.
func TestNamesThatNobodyGets(t *testing.T) {
	t.Parallel()
	h := newHome(t, "TLSLIFT_DESTINATIONS=relay.contoso.com:587,*.fabrikam.com:443")
	for want, all := range map[string][]string{
		"is an allowed destination": {
			"smtp.office365.com", "SMTP.Office365.com.", "outlook.office.com", "relay.contoso.com", "x.relay.contoso.com", "a.b.fabrikam.com",
			"fabrikam.com", "contoso-com.mail.protection.outlook.com",
		},
		"is a name of Microsoft": {
			"shop.microsoft.com", "copier.azure.com", "contoso.microsoft", "partner.outlook.cn", "office365.us", "hotmail.com",
		},
		"is a wildcard":          {"*.contoso.local", "*.com", "*.co.uk", "*"},
		"is an address":          {"192.168.20.31", "127.1", "0x7f.1", "fd00::1"},
		"is each machine itself": {"localhost", "copier.localhost"},
		"--dns":                  {"", "a..b", "-a.contoso.local", "copier 3", "a/b", strings.Repeat("a", 64), "смтп..рф"},
	} {
		for _, host := range all {
			i := named(ordinary(t, "copier"), "copier.contoso.local", host)
			if err := h.CheckNames(&i); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q", host, err, want)
			}
		}
	}
	for _, name := range []string{
		"", "smtp.office365.com", "SMTP.OFFICE365.COM", "relay.contoso.com", " copier", "copier ", "cop/ier", "copier\n", "kopierer\u202e", "*",
		strings.Repeat("a", 65), "0123456789abcdef0123456789ABCDEF",
	} {
		i := ordinary(t, name)
		if err := h.CheckNames(&i); err == nil {
			t.Errorf("a device is called %q", name)
		}
	}
	for _, addr := range []string{
		"8.8.8.8", "127.0.0.1", "169.254.169.254", "100.64.0.1", "2001:db8::1", "fe80::1", "::ffff:8.8.8.8", "fd00::1%eth0", "copier",
	} {
		i := ordinary(t, "copier")
		i.IP = []string{addr}
		if err := h.CheckNames(&i); err == nil || !strings.Contains(err.Error(), "--ip") {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, domain := range []string{"office365.com", "relay.contoso.com", "*.local", "microsoft", ""} {
		i := ordinary(t, "copier")
		i.Domains = []string{domain}
		if err := h.CheckNames(&i); err == nil || !strings.Contains(err.Error(), "--domain") {
			t.Errorf("%s: %v", domain, err)
		}
	}
	i := named(ordinary(t, "office"), "office", "copier.contoso.com", "azure.contoso.local", "bücher.contoso.local", "notoffice365.com")
	i.IP, i.Domains = []string{"10.0.0.1", "::ffff:172.31.0.1", "fd00::1"}, []string{"contoso.com", "local"}
	if err := h.CheckNames(&i); err != nil {
		t.Error(err)
	}
	i.DNS = make([]string, maxNames+1)
	for n := range i.DNS {
		i.DNS[n] = "copier"
	}
	if err := h.CheckNames(&i); err == nil || !strings.Contains(err.Error(), "more than a device reads") {
		t.Errorf("got %v", err)
	}
}

// Whoever steals the key of the device CA deceives nobody about a destination, a public
// address, a mail or a program: those who check constraints refuse it.
func TestStolenDeviceKeyForgesNoDestination(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl", "certtool")
	h := newHome(t)
	ca, err := localca.LoadDeviceCA(h.options)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	for what, test := range map[string]struct {
		purpose string
		ok      bool
		byName  bool // GnuTLS does not look at the usage of a root
		change  func(*x509.Certificate)
	}{
		"its own":        {"sslserver", true, true, func(*x509.Certificate) {}},
		"destination":    {"sslserver", false, true, func(c *x509.Certificate) { c.DNSNames = []string{"smtp.office365.com"} }},
		"beside its own": {"sslserver", false, true, func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "login.microsoftonline.com") }},
		"public address": {"sslserver", false, true, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(52, 96, 0, 1).To4()} }},
		"IPv6":           {"sslserver", false, true, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("2603:1026::1")} }},
		"S/MIME": {"smimesign", false, false, func(c *x509.Certificate) {
			c.ExtKeyUsage, c.EmailAddresses = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}, []string{"ceo@contoso.com"}
		}},
		"code": {"codesign", false, false, func(c *x509.Certificate) {
			c.ExtKeyUsage, c.KeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, x509.KeyUsageDigitalSignature
		}},
	} {
		template := testenv.Template("copier", "copier.contoso.local")
		template.NotAfter = time.Now().Add(time.Hour)
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		test.change(template)
		c, err := ca.Sign(template, testenv.ECDSAKey(t).Public())
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: template.ExtKeyUsage})
		if (err == nil) != test.ok {
			t.Errorf("%s: Go says %v", what, err)
		}
		file := testenv.WriteFile(t, "forged.pem", testenv.CertificatePEM(c))
		ok := func(name string, args ...string) bool {
			return exec.CommandContext(t.Context(), name, append(args, file)...).Run() == nil
		}
		if ok("openssl", "verify", "-CAfile", ca.CertificateFile(), "-purpose", test.purpose) != test.ok {
			t.Errorf("%s: OpenSSL says otherwise", what)
		}
		if test.byName && ok("certtool", "--verify", "--load-ca-certificate", ca.CertificateFile(), "--infile") != test.ok {
			t.Errorf("%s: GnuTLS says otherwise", what)
		}
	}
}

// Neither the CA of lifted clients nor its key is that of devices: no client that trusts the
// one takes a certificate of the other.
func TestDeviceCAIsAnotherOne(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	if _, err := localca.Open(localca.Options{Dir: filepath.Join(h.cfg.StateDir, "ca"), Permitted: []string{"outlook.com"}}); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(h.cfg.StateDir, "ca", "ca.key"))
	if err != nil || string(key) == string(keyText(t, h)) {
		t.Error(err)
	}
	c := public(t, h).Certificate()
	if c.MaxPathLen != 0 || !c.MaxPathLenZero || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || c.PermittedDNSDomainsCritical {
		t.Errorf("it is %+v", c)
	}
}

// What was allowed after the device CA was made is refused, and said.
func TestLaterDestination(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	later, err := New(h.cfg)
	if err != nil {
		t.Fatal(err)
	}
	later.options.Excluded = append(later.options.Excluded, "relay.contoso.com")
	i := named(ordinary(t, "copier"), "relay.contoso.com")
	if err := later.CheckNames(&i); err == nil {
		t.Error("it is not refused")
	}
	if said := shown(t, later, false); !strings.Contains(said, "allowed after it was made:") {
		t.Errorf("it shows %s", said)
	}
	if said := shown(t, h, false); strings.Contains(said, "after it was made") {
		t.Errorf("it shows %s", said)
	}
}
