package leafrsa

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"testing"
)

// cores returns the cores that this processor can run.
func cores() map[string]core {
	all := map[string]core{"portable": portable{}}
	if c := fastCore(); c != nil {
		all[fmt.Sprintf("%T", c)] = c
	}
	return all
}

func toBig(limbs []uint64) *big.Int {
	n := new(big.Int)
	for i := len(limbs) - 1; i >= 0; i-- {
		n.Lsh(n, limbBits).Add(n, new(big.Int).SetUint64(limbs[i]))
	}
	return n
}

func randomBelow(t testing.TB, n *big.Int) *big.Int {
	t.Helper()
	v, err := rand.Int(rand.Reader, n)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// checkProduct checks that z is x·y/2^bits modulo m, is not much above m, and has proper limbs.
func checkProduct(t *testing.T, z []uint64, x, y, m *big.Int, bits uint) {
	t.Helper()
	for i, limb := range z {
		if limb > limbMask {
			t.Fatalf("limb %d is %x", i, limb)
		}
	}
	got := toBig(z)
	if got.Cmp(new(big.Int).Lsh(m, 1)) >= 0 {
		t.Fatalf("%x is not below twice the modulus %x", got, m)
	}
	want := new(big.Int).Mul(x, y)
	want.Mul(want, new(big.Int).ModInverse(new(big.Int).Lsh(big.NewInt(1), bits), m)).Mod(want, m)
	if got.Mod(got, m); got.Cmp(want) != 0 {
		t.Fatalf("%x * %x modulo %x is %x, want %x", x, y, m, got, want)
	}
}

// operands returns numbers below twice a modulus that are likely to show a mistake.
func operands(t *testing.T, m *big.Int, round int) (x, y *big.Int) {
	t.Helper()
	twice := new(big.Int).Lsh(m, 1)
	special := []*big.Int{
		new(big.Int), big.NewInt(1), big.NewInt(limbMask), new(big.Int).Sub(m, big.NewInt(1)), m,
		new(big.Int).Sub(twice, big.NewInt(1)), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(m.BitLen())), big.NewInt(1)),
	}
	if round < len(special)*len(special) {
		return special[round%len(special)], special[round/len(special)]
	}
	return randomBelow(t, twice), randomBelow(t, twice)
}

// moduli returns odd numbers of some bits: random ones, and those with limbs of ones and zeros.
func modulus(t *testing.T, bits, round int) *big.Int {
	t.Helper()
	top := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	switch round % 4 {
	case 0:
		return top.Lsh(top, 1).Sub(top, big.NewInt(1))
	case 1:
		return top.Add(top, big.NewInt(1))
	}
	m := randomBelow(t, top)
	m.Or(m, top)
	return m.SetBit(m, 0, 1)
}

func TestMultiplyTriple(t *testing.T) {
	t.Parallel()
	for name, c := range cores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for round := range 2000 {
				var x, y, m, z triple
				var k [3]uint64
				var numbers [3][3]*big.Int
				for i := range m {
					p := modulus(t, []int{683, 682, 512}[i], round/50)
					a, b := operands(t, p, round%50)
					limbsOf(m[i][:], p)
					limbsOf(x[i][:], a)
					limbsOf(y[i][:], b)
					k[i] = negativeInverse(p)
					numbers[i] = [3]*big.Int{a, b, p}
				}
				c.multiplyTriple(&z, &x, &y, &m, &k)
				for i, n := range numbers {
					checkProduct(t, z[i][:], n[0], n[1], n[2], tripleBits)
				}
				c.multiplyTriple(&x, &x, &y, &m, &k)
				if x != z {
					t.Fatal("in place it is another number")
				}
			}
		})
	}
}

func TestMultiplyWide(t *testing.T) {
	t.Parallel()
	for name, c := range cores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for round := range 1000 {
				n := modulus(t, []int{2048, 1024}[round%2], round/50)
				a, b := operands(t, n, round%50)
				var x, y, m, z wide
				limbsOf(m[:], n)
				limbsOf(x[:], a)
				limbsOf(y[:], b)
				k := negativeInverse(n)
				c.multiplyWide(&z, &x, &y, &m, &k)
				checkProduct(t, z[:], a, b, n, wideBits)
				c.multiplyWide(&y, &x, &y, &m, &k)
				if y != z {
					t.Fatal("in place it is another number")
				}
			}
		})
	}
}

func TestPick(t *testing.T) {
	t.Parallel()
	for name, c := range cores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var table [1 << digitBits]triple
			for e := range table {
				for i := range table[e] {
					for j := range table[e][i] {
						table[e][i][j] = uint64(e*10000 + i*100 + j)
					}
				}
			}
			for d := range uint64(len(table)) {
				digits := [3]uint64{d, (d + 7) % 32, 31 - d}
				var z triple
				c.pick(&z, &table, &digits)
				for i := range z {
					if z[i] != table[digits[i]][i] {
						t.Fatalf("digits %d picked %d", digits, z)
					}
				}
			}
		})
	}
}
