package testenv

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"
)

// primes has the two primes of an RSA key of tests on each line: to look for such takes longer
// than most tests.
//
//go:embed testdata/primes.txt
var primes string

// The RSA keys made so far.
var keys struct {
	sync.Mutex
	made int
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

// newRSAKey returns a key that this process does not have yet, from the file as long as there
// are some. The caller holds keys.
func newRSAKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	all := strings.Fields(primes)
	i := 2 * keys.made
	keys.made++
	if i+1 >= len(all) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	p, isNumber := new(big.Int).SetString(all[i], 16)
	q, areNumbers := new(big.Int).SetString(all[i+1], 16)
	if !isNumber || !areNumbers {
		t.Fatalf("line %d of primes.txt has no numbers", keys.made)
	}
	one := big.NewInt(1)
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, Primes: []*big.Int{p, q}}
	totient := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key.D = new(big.Int).ModInverse(big.NewInt(int64(key.E)), totient)
	key.Precompute()
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
