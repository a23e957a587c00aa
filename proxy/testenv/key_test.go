package testenv

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"testing"
)

// Each key is good and another one, those of the file and the ones that are made after them.
func TestRSAKeys(t *testing.T) {
	sum := sha256.Sum256([]byte("what is signed"))
	seen := map[string]bool{}
	for n := range 26 {
		key := RSAKey(t, n)
		signature, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(key.Validate(), rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature))
		if err != nil || key.Size() != 256 {
			t.Errorf("key %d has %d bytes, %v", n, key.Size(), err)
		}
		if seen[key.N.String()] {
			t.Errorf("key %d is one of those before", n)
		}
		seen[key.N.String()] = true
	}
}
