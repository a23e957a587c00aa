package localca

import (
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// OpenSSL takes the list of a CA for its leaves, and not that of another CA.
func TestOpenSSLChecksTheRevocationList(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	p := rotating(t)
	ca := open(t, Options{Dir: p.dir, ListURL: "http://tlslift.example.com:8080/crl"})
	cert := leaf(t, ca, "smtp.outlook.com")
	if want := []string{"http://tlslift.example.com:8080/crl/" + ca.ID() + ".crl"}; !slices.Equal(cert.CRLDistributionPoints, want) {
		t.Errorf("the leaf names %q, want %q", cert.CRLDistributionPoints, want)
	}
	file := testenv.WriteFile(t, "leaf.pem", testenv.CertificatePEM(cert))
	now := time.Now()
	for _, test := range []struct {
		by *CA
		ok bool
	}{{ca, true}, {ca.New(), false}} {
		der, err := test.by.SignList(RevocationList{Number: big.NewInt(7), From: now.Add(-time.Hour), Until: now.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		list := testenv.WriteFile(t, "ca.crl", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}))
		out, err := exec.CommandContext(t.Context(), "openssl", "crl", "-in", list, "-noout", "-crlnumber", "-CAfile", test.by.CertificateFile(),
			"-verify").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "verify OK") || !strings.Contains(string(out), "crlNumber=0x07") {
			t.Errorf("%v, %s", err, out)
		}
		out, err = exec.CommandContext(t.Context(), "openssl", "verify", "-x509_strict", "-crl_check", "-CRLfile", list,
			"-CAfile", ca.CertificateFile(), file).CombinedOutput()
		if (err == nil) != test.ok {
			t.Errorf("by %v: %v, %s", test.by, err, out)
		}
	}
}

// A CA of an operator that may not sign lists says so.
func TestNoListOfACAThatSignsNone(t *testing.T) {
	t.Parallel()
	c := companyOf(t, func(_, c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign })
	ca := authority{Public: Public{path: []*x509.Certificate{c.intermediate}}, key: c.key}
	if _, err := ca.SignList(RevocationList{Number: big.NewInt(1)}); err == nil || !strings.Contains(err.Error(), "cRLSign") {
		t.Errorf("got %v", err)
	}
	if leaf := leaf(t, open(t, Options{}), "smtp.outlook.com"); len(leaf.CRLDistributionPoints) > 0 {
		t.Errorf("without a setting, a leaf names %q", leaf.CRLDistributionPoints)
	}
}
