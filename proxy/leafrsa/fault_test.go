package leafrsa

import (
	"bytes"
	"crypto"
	"errors"
	"math/big"
	"testing"
)

// A faulty is a core that computes one thing wrongly: it changes a bit of a result.
type faulty struct {
	core
	at   int // the call that is wrong
	bit  int
	lane int
	call *int
}

func (f faulty) isWrong() bool {
	*f.call++
	return *f.call-1 == f.at
}

func (f faulty) change(z []uint64) {
	bits := f.radix().bits
	z[f.bit/bits] ^= 1 << (f.bit % bits)
}

func (f faulty) multiplyTriple(z, x, y, m *triple, k *[3]uint64) {
	f.core.multiplyTriple(z, x, y, m, k)
	if f.isWrong() {
		f.change(z[f.lane][:])
	}
}

func (f faulty) multiplyWide(z, x, y, m *wide, k *uint64) {
	f.core.multiplyWide(z, x, y, m, k)
	if f.isWrong() {
		f.change(z[:])
	}
}

func (f faulty) pick(z *triple, table *[1 << digitBits]triple, digits *[3]uint64) {
	f.core.pick(z, table, digits)
	if f.isWrong() {
		f.change(z[f.lane][:])
	}
}

// Each single wrong product or look-up on the whole way is found. With the cores that are
// not the fastest it is every fifth; seven of them are for one digit.
func TestWrongProductsAreFound(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, p pair) {
		input, primes := p.raw(big.NewInt(0x1234567)), len(p.std.Primes)
		right, err := p.private(input)
		if err != nil {
			t.Fatal(err)
		}
		step := 1
		if p.core != bestCore() {
			step = 5
		}
		for at, calls := 0, 1; at < calls; at += step {
			n := 0
			k := newKey(p.std.Primes, faulty{p.core, at, at * 37 % 680, at % primes, &n})
			got, err := k.private(input)
			calls = n
			// A wrong power that is not picked does no harm.
			harmless := at < 3+len(k.one)*10+30 && bytes.Equal(got, right)
			if !harmless && (!errors.Is(err, errFault) || got != nil) {
				t.Fatalf("call %d of %d was wrong, and gave %x, %v", at, calls, got, err)
			}
		}
	})
}

// Each wrong bit of what is kept of a key is found, and nothing leaves.
func TestWrongKeysAreFound(t *testing.T) {
	t.Parallel()
	for _, c := range cores() {
		wrongKeysAreFound(t, newPair(t, 2048, c))
	}
}

func wrongKeysAreFound(t *testing.T, p pair) {
	t.Helper()
	digest := bytes.Repeat([]byte{9}, 32)
	ciphertext := p.encrypt(paddings(256)["good"].message)
	for name, change := range map[string]func(k *Key){
		"prime":          func(k *Key) { k.primes[0][5] ^= 4 },
		"other prime":    func(k *Key) { k.primes[2][0] ^= 2 },
		"factor":         func(k *Key) { k.factors[1] ^= 1 << 20 },
		"part":           func(k *Key) { k.parts[0][0][3] ^= 1 << 9 },
		"middle part":    func(k *Key) { k.parts[1][1][7] ^= 1 << 50 },
		"last part":      func(k *Key) { k.parts[2][2][0] ^= 1 },
		"exponent":       func(k *Key) { k.digits[70][0] ^= 1 },
		"last digit":     func(k *Key) { k.digits[len(k.digits)-1][1] ^= 16 },
		"inverse":        func(k *Key) { k.inverses[2][k.triple-2] ^= 1 << 30 },
		"cofactor":       func(k *Key) { k.cofactors[0][20] ^= 1 << 51 },
		"modulus":        func(k *Key) { k.modulus[20] ^= 1 },
		"modulus factor": func(k *Key) { k.factor ^= 2 },
		"square":         func(k *Key) { k.square[k.wide-1] ^= 1 },
		"one prime gone": func(k *Key) { k.cofactors[1] = wide{} },
	} {
		k := newKey(p.std.Primes, p.core)
		change(k)
		if got, err := k.Sign(nil, digest, crypto.SHA256); !errors.Is(err, errFault) || got != nil {
			t.Errorf("%T, wrong %s: signed %x, %v", p.core, name, got, err)
		}
		if got, err := k.Decrypt(nil, ciphertext, &sessionKey{SessionKeyLen: 48}); !errors.Is(err, errFault) || got != nil {
			t.Errorf("%T, wrong %s: decrypted %x, %v", p.core, name, got, err)
		}
		if err := k.try(); !errors.Is(err, errFault) {
			t.Errorf("%T, wrong %s: a new key is not refused: %v", p.core, name, err)
		}
	}
}
