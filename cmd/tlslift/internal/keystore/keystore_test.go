package keystore

import (
	"crypto"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// What is written is read again, with its password only, by old and new keys.
func TestIdentityIsReadAgain(t *testing.T) {
	t.Parallel()
	ca := testenv.NewAuthority(t, "Device CA", testenv.OwnRSAKey(t))
	for _, key := range []crypto.Signer{testenv.RSAKey(t, 0), testenv.ECDSAKey(t)} {
		own := ca.Issue(t, testenv.Template("copier", "copier.contoso.local"), key).Leaf
		for _, legacy := range []bool{false, true} {
			file, err := Identity(key, own, []*x509.Certificate{ca.Certificate}, "open sesame", legacy)
			if err != nil {
				t.Fatal(err)
			}
			got, certificate, above, err := Decode(file, "open sesame")
			if err != nil || !certificate.Equal(own) || len(above) != 1 || !key.(interface{ Equal(crypto.PrivateKey) bool }).Equal(got) {
				t.Errorf("%T, legacy %t: %v, and %d above", key, legacy, err, len(above))
			}
			if _, _, _, err := Decode(file, "open sesam"); err == nil || err.Error() != "the password is wrong" {
				t.Errorf("%T, legacy %t: %v", key, legacy, err)
			}
		}
	}
	if _, _, _, err := Decode([]byte("open sesame"), "open sesame"); err == nil || strings.Contains(err.Error(), "sesame") {
		t.Errorf("no file: %v", err)
	}
}
