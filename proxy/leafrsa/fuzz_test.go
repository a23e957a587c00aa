package leafrsa

import (
	"bytes"
	"crypto/rsa"
	"encoding/binary"
	"math/big"
	"testing"
)

// All cores compute the same products, also of numbers above twice the modulus.
func FuzzMultiply(f *testing.F) {
	f.Add(bytes.Repeat([]byte{255}, 400), uint64(1))
	f.Add(bytes.Repeat([]byte{0, 1, 128}, 100), uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, k uint64) {
		k &= limbMask
		var limbs [3 * tripleLimbs]uint64
		for i := range limbs {
			if len(data) >= 8 {
				limbs[i], data = binary.LittleEndian.Uint64(data)&limbMask, data[8:]
			}
		}
		var x, y, m, want triple
		for i := range x {
			copy(x[i][:tripleLimbs], limbs[i:])
			copy(y[i][:tripleLimbs], limbs[tripleLimbs-i:])
			copy(m[i][:tripleLimbs], limbs[2*tripleLimbs-i:])
			m[i][tripleLimbs-1] >>= 1 // the sum has to fit
			x[i][tripleLimbs-1] >>= 1
		}
		factors := [3]uint64{k, k ^ 2, k >> 3}
		for i := range factors {
			// An odd modulus with that factor.
			m[i][0] = negativeInverse(new(big.Int).SetUint64(factors[i] | 1))
			factors[i] |= 1
		}
		portable{}.multiplyTriple(&want, &x, &y, &m, &factors)
		for name, c := range cores() {
			var z triple
			if c.multiplyTriple(&z, &x, &y, &m, &factors); z != want {
				t.Fatalf("%s: %x times %x modulo %x is %x, want %x", name, x, y, m, z, want)
			}
		}
	})
}

func FuzzPrivate(f *testing.F) {
	p := newPair(f, 2048, bestCore())
	f.Add([]byte{})
	f.Add([]byte{0, 0, 1})
	f.Add(bytes.Repeat([]byte{255}, 256))
	f.Add(p.std.N.Bytes())
	for _, prime := range p.std.Primes {
		f.Add(prime.Bytes())
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) > 256 {
			message = message[:256]
		}
		input := append(make([]byte, 256-len(message)), message...)
		got, err := p.private(input)
		if inRange := new(big.Int).SetBytes(input).Cmp(p.std.N) < 0; inRange != (err == nil) {
			t.Fatal(err)
		}
		if err == nil && !bytes.Equal(p.encrypt(got), input) {
			t.Fatalf("gives %x", got)
		}
	})
}

func FuzzSessionKey(f *testing.F) {
	p := newPair(f, 1024, bestCore())
	for _, test := range paddings(128) {
		f.Add(test.message)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) > 128 || new(big.Int).SetBytes(message).Cmp(p.std.N) >= 0 {
			return
		}
		ciphertext := p.encrypt(message)
		marks := bytes.Repeat([]byte{0xee}, 48)
		//lint:ignore SA1019 RFC 5246 section 7.4.7.1
		if err := rsa.DecryptPKCS1v15SessionKey(nil, p.std, ciphertext, marks); err != nil { //nolint:staticcheck // old clients have nothing else
			t.Fatal(err)
		}
		got, err := p.Decrypt(nil, ciphertext, &sessionKey{SessionKeyLen: 48})
		if good := !bytes.Equal(marks, bytes.Repeat([]byte{0xee}, 48)); err != nil || good != bytes.Equal(got, marks) {
			t.Fatalf("gives %x, %v; crypto/rsa %x", got, err, marks)
		}
	})
}
