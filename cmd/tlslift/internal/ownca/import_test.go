package ownca

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// company returns the files of an intermediate CA: its certificate with the root's, the root's
// alone, and its key.
func company(t *testing.T) (chain, root, key string) {
	t.Helper()
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(5, 0, 0),
			BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, MaxPathLen: -1,
		}
	}
	rootKey, ownKey := testenv.RSAKey(t, 0), testenv.RSAKey(t, 1)
	r := testenv.Sign(t, template(1, "Contoso Root"), template(1, "Contoso Root"), rootKey, rootKey)
	c := testenv.Sign(t, template(2, "Contoso tlslift CA"), r, ownKey, rootKey)
	return testenv.WriteFile(t, "chain.pem", testenv.CertificatePEM(c, r)), testenv.WriteFile(t, "root.pem", testenv.CertificatePEM(r)),
		testenv.WriteFile(t, "ca.key", testenv.KeyPEM(t, ownKey))
}

// imported takes files in, and returns what the command says.
func imported(h *Home, word string, files ...string) (string, error) {
	var b strings.Builder
	i := Import{Files: files, Password: func() (string, error) {
		if word == "" {
			return "", errors.New("nobody is there to ask")
		}
		return word, nil
	}}
	err := i.Run(h, &b)
	return b.String(), err
}

func TestImportSaysWhatIsOpen(t *testing.T) {
	t.Parallel()
	chain, _, key := company(t)
	h := emptyHome(t)
	said, err := imported(h, "", chain, key)
	if err != nil || !strings.Contains(said, "Contoso tlslift CA") || !strings.Contains(said, "Next: start tlslift") ||
		!strings.Contains(said, "warning: it can sign for every host name\n") || strings.Contains(said, "nothing: it is limited") {
		t.Errorf("%v, %s", err, said)
	}
	if got := shown(t, h, false); !strings.Contains(got, "CA in use\n") || !strings.Contains(got, "Signed by            CN=Contoso Root\n") {
		t.Errorf("it shows %s", got)
	}
	said, err = imported(newHome(t), "", chain, key)
	if err != nil || !strings.Contains(said, "New CA\n") || !strings.Contains(said, "--finish") {
		t.Errorf("beside a CA: %v, %s", err, said)
	}
}

// PKCS #12 files as OpenSSL and NSS write them, in the encryption of today and of old.
func TestImportOfPKCS12(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	chain, root, key := company(t)
	for name, more := range map[string][]string{
		"new": nil, "old": {"-legacy"}, "3DES": {"-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "SHA1"},
	} {
		file := filepath.Join(t.TempDir(), "ca.p12")
		args := []string{"pkcs12", "-export", "-in", chain, "-inkey", key, "-certfile", root, "-out", file, "-passout", "pass:open sesame"}
		output(t, "openssl", append(args, more...)...)
		if _, err := imported(emptyHome(t), "wrong", file); err == nil || !strings.Contains(err.Error(), "the password is wrong") {
			t.Errorf("%s: %v", name, err)
		}
		h := emptyHome(t)
		if said, err := imported(h, "open sesame", file); err != nil || !strings.Contains(said, "Contoso tlslift CA") ||
			len(current(t, h).Path()) != 2 {
			t.Errorf("%s: %v, %s", name, err, said)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	chain, root, key := company(t)
	empty := testenv.WriteFile(t, "empty", nil)
	for want, files := range map[string][]string{
		"there is no private key in PEM form":   {chain},
		"there is no certificate in PEM form":   {key},
		"the key belongs to none":               {root, key},
		"no such file":                          {filepath.Join(t.TempDir(), "none")},
		"is no PEM file; give PEM files, or":    {chain, empty},
		"it is neither PEM nor a PKCS #12 file": {testenv.WriteFile(t, "text", []byte("hello"))},
	} {
		h := emptyHome(t)
		if _, err := imported(h, "word", files...); err == nil || !strings.Contains(err.Error(), want) || len(matches(t, h)) > 0 {
			t.Errorf("got %v, want %q; there is %q", err, want, matches(t, h))
		}
	}
	h := newHome(t)
	putCA(t, localca.NewDir(h.options.Dir))
	if _, err := imported(h, "", chain, key); err == nil || !strings.Contains(err.Error(), "finish that rotation") {
		t.Errorf("in a rotation: %v", err)
	}
}
