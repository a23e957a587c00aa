package testenv

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"sync"
	"testing"
)

// The RSA keys made so far: making one takes longer than most tests.
var keys struct {
	sync.Mutex
	all  []*rsa.PrivateKey // of RSAKey
	free []*rsa.PrivateKey // of OwnRSAKey
}

// RSAKey returns the nth RSA key of 2048 bits, which is the same one for every
// test of the process.
func RSAKey(t testing.TB, n int) *rsa.PrivateKey {
	t.Helper()
	keys.Lock()
	defer keys.Unlock()
	for len(keys.all) <= n {
		keys.all = append(keys.all, newRSAKey(t))
	}
	return keys.all[n]
}

// OwnRSAKey returns an RSA key of 2048 bits that no other test has before this
// one has ended.
func OwnRSAKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	keys.Lock()
	defer keys.Unlock()
	if len(keys.free) == 0 {
		keys.free = append(keys.free, newRSAKey(t))
	}
	last := len(keys.free) - 1
	key := keys.free[last]
	keys.free = keys.free[:last]
	t.Cleanup(func() {
		keys.Lock()
		defer keys.Unlock()
		keys.free = append(keys.free, key)
	})
	return key
}

func newRSAKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// ECDSAKey returns a new P-256 key.
func ECDSAKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// KeyPEM returns a key in PKCS #8 as a PEM file has it.
func KeyPEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
