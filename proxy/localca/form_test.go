package localca

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

var forms = []Form{{SHA1: true}, {Backdated: true}, {SHA1: true, Backdated: true}}

func formed(t *testing.T, ca *CA, f Form) *x509.Certificate {
	t.Helper()
	c, err := ca.Form(f)
	if err != nil || c == nil {
		t.Fatalf("%+v: %v, %v", f, c, err)
	}
	return c
}

// A form differs from the CA in what it says, and in its serial number, and is
// the same after a restart.
func TestForms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := open(t, Options{Dir: dir, Permitted: []string{"outlook.com"}})
	own := ca.Certificate()
	if formed(t, ca, Form{}) != own {
		t.Error("the form without a difference is another certificate")
	}
	serials := map[string]bool{own.SerialNumber.String(): true}
	for _, f := range forms {
		c := formed(t, ca, f)
		algorithm, from := x509.SHA256WithRSA, own.NotBefore
		if f.SHA1 {
			algorithm = x509.SHA1WithRSA
		}
		if f.Backdated {
			from = time.Unix(0, 0)
		}
		if c.SignatureAlgorithm != algorithm || !c.NotBefore.Equal(from) || !c.NotAfter.Equal(own.NotAfter) {
			t.Errorf("%+v: %s, from %s to %s", f, c.SignatureAlgorithm, c.NotBefore, c.NotAfter)
		}
		if !bytes.Equal(c.RawSubject, own.RawSubject) || !bytes.Equal(c.RawIssuer, own.RawIssuer) ||
			!bytes.Equal(c.SubjectKeyId, own.SubjectKeyId) || !c.PublicKey.(*rsa.PublicKey).Equal(own.PublicKey) ||
			fmt.Sprint(c.Extensions) != fmt.Sprint(own.Extensions) {
			t.Errorf("%+v: another name, key, key id or extensions", f)
		}
		if serials[c.SerialNumber.String()] {
			t.Errorf("%+v: a serial number that another form has", f)
		}
		serials[c.SerialNumber.String()] = true
		if again := formed(t, open(t, Options{Dir: dir}), f); !again.Equal(c) {
			t.Errorf("%+v: another certificate after a restart", f)
		}
	}
}

// OpenSSL takes each form for the CA of each leaf, also of one that has the other
// signature, and of a leaf from 2000 on at a time before the CA was made.
func TestOpenSSLTakesEveryForm(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	ca := open(t, Options{Permitted: []string{"outlook.com"}})
	verify := func(root *x509.Certificate, p Profile, more ...string) error {
		leaf := profiled(t, ca, "smtp.outlook.com", p).Leaf
		args := append([]string{"verify", "-auth_level", "0", "-check_ss_sig", "-purpose", "sslserver", "-verify_hostname", "smtp.outlook.com",
			"-CAfile", testenv.WriteFile(t, "root.pem", testenv.CertificatePEM(root))}, more...)
		out, err := exec.CommandContext(t.Context(), "openssl",
			append(args, testenv.WriteFile(t, "leaf.pem", testenv.CertificatePEM(leaf)))...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	for _, f := range forms {
		root := formed(t, ca, f)
		for _, p := range []Profile{{}, {SHA1: true}, {NotBefore: dayIn2000}} {
			if err := verify(root, p); err != nil {
				t.Errorf("%+v of %+v: %v", f, p, err)
			}
		}
		at := []string{"-attime", fmt.Sprint(dayIn2000.Unix() + 3600)}
		if err := verify(root, Profile{NotBefore: dayIn2000}, at...); (err == nil) != f.Backdated {
			t.Errorf("%+v in 2000: %v", f, err)
		}
		if err := verify(root, Profile{}, at...); err == nil {
			t.Errorf("%+v: an ordinary leaf is valid in 2000", f)
		}
	}
}

// A leaf is valid from the day that was asked for, even before the CA is, but never
// for less time than usual.
func TestLeafFromLongAgo(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	if leaf := profiled(t, ca, "a.example", Profile{NotBefore: dayIn2000}).Leaf; !leaf.NotBefore.Equal(dayIn2000) {
		t.Errorf("valid from %s", leaf.NotBefore)
	}
	future := Profile{NotBefore: time.Now().AddDate(1, 0, 0)}
	if leaf := profiled(t, ca, "a.example", future).Leaf; leaf.NotBefore.After(time.Now()) {
		t.Errorf("valid from %s", leaf.NotBefore)
	}
}

// A root that names itself by issuer and serial number does not do so in its forms,
// which have another number: verifiers would look for a certificate that is not there.
func TestFormsOfARootThatNamesItself(t *testing.T) {
	t.Parallel()
	key := testenv.RSAKey(t, 0)
	template := caOf("root")
	// keyIdentifier is left out; authorityCertSerialNumber is 1.
	itself := pkix.Extension{Id: oidAuthorityKeyID, Value: []byte{0x30, 3, 0x82, 1, 1}}
	template.ExtraExtensions = append(template.ExtraExtensions, itself)
	root := testenv.Sign(t, template, template, key, key)
	if !slices.ContainsFunc(root.Extensions, func(e pkix.Extension) bool { return bytes.Equal(e.Value, itself.Value) }) {
		t.Fatal("the root does not name itself")
	}
	ca := open(t, Options{Dir: put(t, testenv.CertificatePEM(root), testenv.KeyPEM(t, key)), Now: newClock().now})
	for _, f := range forms {
		for _, e := range formed(t, ca, f).Extensions {
			if e.Id.Equal(oidAuthorityKeyID) && bytes.Equal(e.Value, itself.Value) {
				t.Errorf("%+v: names the root's serial number", f)
			}
		}
	}
}
