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

func (r radix) toBig(limbs []uint64) *big.Int {
	n := new(big.Int)
	for i := len(limbs) - 1; i >= 0; i-- {
		n.Lsh(n, uint(r.bits)).Add(n, new(big.Int).SetUint64(limbs[i]))
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

// montgomery returns x·y/2^(bits·limbs) modulo m as each core has to compute it: with the
// smallest multiple of m that makes the sum divisible.
func (r radix) montgomery(x, y, m *big.Int, limbs int) *big.Int {
	radix := new(big.Int).Lsh(big.NewInt(1), uint(r.bits*limbs))
	sum := new(big.Int).Mul(x, y)
	multiple := new(big.Int).ModInverse(m, radix)
	multiple.Mul(multiple, sum).Neg(multiple).Mod(multiple, radix)
	sum.Add(sum, multiple.Mul(multiple, m))
	return sum.Rsh(sum, uint(r.bits*limbs))
}

// checkProduct checks that z is the product of x and y, is not much above m, and has proper
// limbs.
func (r radix) checkProduct(t *testing.T, z []uint64, x, y, m *big.Int, limbs int) {
	t.Helper()
	for i, limb := range z {
		if limb > r.mask() || i >= limbs && limb != 0 {
			t.Fatalf("limb %d is %x", i, limb)
		}
	}
	got, want := r.toBig(z), r.montgomery(x, y, m, limbs)
	if got.Cmp(want) != 0 {
		t.Fatalf("%x * %x modulo %x is %x, want %x", x, y, m, got, want)
	}
	if got.Cmp(new(big.Int).Lsh(m, 1)) >= 0 {
		t.Fatalf("%x is not below twice the modulus %x", got, m)
	}
}

// operands returns numbers below six times a modulus that are likely to show a mistake.
func (r radix) operands(t *testing.T, m *big.Int, round int) (x, y *big.Int) {
	t.Helper()
	one, most := big.NewInt(1), new(big.Int).Mul(m, big.NewInt(6))
	special := []*big.Int{
		new(big.Int), one, new(big.Int).SetUint64(r.mask()), new(big.Int).Sub(m, one), m,
		new(big.Int).Sub(most, one), new(big.Int).Sub(new(big.Int).Lsh(one, uint(m.BitLen())), one),
	}
	if round < len(special)*len(special) {
		return special[round%len(special)], special[round/len(special)]
	}
	return randomBelow(t, most), randomBelow(t, most)
}

// modulus returns an odd number of some bits: a random one, or one with limbs of ones or zeros.
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
			r := c.radix()
			for round := range 2000 {
				var x, y, m, z triple
				var k [3]uint64
				var numbers [3][3]*big.Int
				for i := range m {
					p := modulus(t, []int{683, 682, 512}[i], round/50)
					a, b := r.operands(t, p, round%50)
					r.limbsOf(m[i][:], p)
					r.limbsOf(x[i][:], a)
					r.limbsOf(y[i][:], b)
					k[i] = r.negativeInverse(p)
					numbers[i] = [3]*big.Int{a, b, p}
				}
				c.multiplyTriple(&z, &x, &y, &m, &k)
				for i, n := range numbers {
					r.checkProduct(t, z[i][:], n[0], n[1], n[2], r.triple)
				}
				c.multiplyTriple(&x, &x, &y, &m, &k)
				if x != z {
					t.Fatal("in place it is another number")
				}
				c.multiplyTriple(&y, &y, &y, &m, &k)
				for i, n := range numbers {
					r.checkProduct(t, y[i][:], n[1], n[1], n[2], r.triple)
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
			r := c.radix()
			for round := range 1000 {
				n := modulus(t, []int{2048, 1024}[round%2], round/50)
				a, b := r.operands(t, n, round%50)
				var x, y, m, z wide
				r.limbsOf(m[:], n)
				r.limbsOf(x[:], a)
				r.limbsOf(y[:], b)
				k := r.negativeInverse(n)
				c.multiplyWide(&z, &x, &y, &m, &k)
				r.checkProduct(t, z[:], a, b, n, r.wide)
				c.multiplyWide(&y, &x, &y, &m, &k)
				if y != z {
					t.Fatal("in place it is another number")
				}
				c.multiplyWide(&x, &x, &x, &m, &k)
				r.checkProduct(t, x[:], a, a, n, r.wide)
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
					for j := range c.radix().triple {
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
