package fakem365_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

type badCertificate struct {
	name    string
	options fakem365.CertOptions
	is      func(error) bool
}

func badCertificates() []badCertificate {
	isInvalid := func(err error) bool {
		var invalid x509.CertificateInvalidError
		return errors.As(err, &invalid) && invalid.Reason == x509.Expired
	}
	isWrongName := func(err error) bool {
		var wrong x509.HostnameError
		return errors.As(err, &wrong)
	}
	now := time.Now()
	return []badCertificate{
		{"expired", fakem365.CertOptions{NotAfter: now.Add(-time.Hour)}, isInvalid},
		{"not yet valid", fakem365.CertOptions{NotBefore: now.Add(time.Hour)}, isInvalid},
		{"self-signed", fakem365.CertOptions{SelfSigned: true}, isUnknownAuthority},
		{"wrong name", fakem365.CertOptions{Names: []string{"wrong.example"}}, isWrongName},
	}
}

func TestCertificateChainsToTheTestRootAlone(t *testing.T) {
	t.Parallel()
	fake, other := testenv.FakeM365(t), testenv.FakeM365(t)
	leaf := certificate(t, fake, fakem365.CertOptions{}).Leaf
	if key, ok := leaf.PublicKey.(*rsa.PublicKey); !ok || key.N.BitLen() != 2048 {
		t.Errorf("the key is a %T", leaf.PublicKey)
	}
	for _, name := range []string{"outlook.office365.com", "smtp.office365.com", "outlook.office.com", "login.microsoftonline.com"} {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: fake.Roots()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: other.Roots()}); !isUnknownAuthority(err) {
		t.Errorf("another fake's root: %v", err)
	}
	system, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: system}); err == nil {
		t.Error("the system trusts the test root")
	}
}

func TestCertificateForAnAddress(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	leaf := certificate(t, fake, fakem365.CertOptions{Names: []string{"127.0.0.1"}}).Leaf
	if err := leaf.VerifyHostname("127.0.0.1"); err != nil {
		t.Error(err)
	}
}

func TestRootPEM(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	block, rest := pem.Decode(fake.RootPEM())
	if block == nil || len(rest) > 0 {
		t.Fatalf("not one PEM block: %q", fake.RootPEM())
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	leaf := certificate(t, fake, fakem365.CertOptions{}).Leaf
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool}); err != nil {
		t.Error(err)
	}
	if got := fakem365.Fingerprint(leaf); len(got) != 64 || got == fakem365.Fingerprint(root) {
		t.Errorf("fingerprint %q", got)
	}
}
