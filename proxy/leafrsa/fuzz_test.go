package leafrsa

import (
	"bytes"
	"crypto/rsa"
	"encoding/binary"
	"math/big"
	"math/bits"
	"testing"
)

// All cores compute what slowly does, also of numbers far above twice the modulus.
func FuzzMultiply(f *testing.F) {
	f.Add(bytes.Repeat([]byte{255}, 400), uint64(1))
	f.Add(bytes.Repeat([]byte{0, 1, 128}, 100), uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, k uint64) {
		for _, c := range cores() {
			multiplyLimbs(t, c, data, k)
		}
	})
}

func multiplyLimbs(t *testing.T, c core, data []byte, k uint64) {
	t.Helper()
	r := c.radix()
	limbs := make([]uint64, 3*r.triple)
	for i := range limbs {
		if len(data) >= 8 {
			limbs[i], data = binary.LittleEndian.Uint64(data)&r.mask(), data[8:]
		}
	}
	var x, y, m, z, want triple
	for i := range x {
		copy(x[i][:r.triple], limbs[i:])
		copy(y[i][:r.triple], limbs[r.triple-i:])
		copy(m[i][:r.triple], limbs[2*r.triple-i:])
		m[i][r.triple-1] >>= 1 // the sum has to fit
		x[i][r.triple-1] >>= 1
	}
	factors := [3]uint64{k&r.mask() | 1, k>>5 | 1, k>>11 | 1}
	for i, factor := range factors {
		// An odd modulus with that factor.
		factors[i] &= r.mask()
		m[i][0] = r.negativeInverse(new(big.Int).SetUint64(factor & r.mask()))
	}
	for _, other := range []*triple{&y, &x} {
		c.multiplyTriple(&z, &x, other, &m, &factors)
		for i := range want {
			r.slowly(want[i][:r.triple], x[i][:], other[i][:], m[i][:], factors[i])
		}
		if z != want {
			t.Fatalf("%T: %x times %x modulo %x is %x, want %x", c, x, *other, m, z, want)
		}
	}
}

// slowly sets z to x·y/2^(bits·len) modulo m, limb by limb. What it compares with is checked
// with math/big too, whose many branches would lead a fuzzer astray.
func (r radix) slowly(z, x, y, m []uint64, k uint64) {
	clear(z)
	for _, factor := range y[:len(z)] {
		multiple := (z[0] + x[0]*factor) * k & r.mask()
		var carry uint64
		for j := range z {
			high1, low1 := bits.Mul64(x[j], factor)
			high2, low2 := bits.Mul64(m[j], multiple)
			low, c := bits.Add64(low1, low2, 0)
			high := high1 + high2 + c
			low, c = bits.Add64(low, z[j], 0)
			high += c
			low, c = bits.Add64(low, carry, 0)
			high += c
			carry = high<<(64-r.bits) | low>>r.bits
			if j > 0 {
				z[j-1] = low & r.mask()
			}
		}
		z[len(z)-1] = carry
	}
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
