package leafrsa

import "math/bits"

// A portable is the core for all processors. Its limbs have 58 bits, so that 128 bits hold
// a column of a product, which is the sum of up to 72 products of limbs. It computes two
// columns side by side: what they add does not wait for each other.
type portable struct{}

const (
	limbBits    = 58
	limbMask    = 1<<limbBits - 1
	tripleLimbs = 12
	wideLimbs   = 36
)

func (portable) radix() radix { return radix{limbBits, tripleLimbs, wideLimbs} }

func (portable) multiplyTriple(z, x, y, m *triple, k *[3]uint64) {
	for i := range z {
		multiply(limbs(&z[i]), limbs(&x[i]), limbs(&y[i]), limbs(&m[i]), k[i])
	}
}

// limbs returns the part of a number of a triple that is in use.
func limbs(x *[maxTripleLimbs]uint64) *[tripleLimbs]uint64 { return (*[tripleLimbs]uint64)(x[:]) }

func (portable) multiplyWide(z, x, y, m *wide, k *uint64) {
	type number = *[wideLimbs]uint64
	multiply(number(z[:]), number(x[:]), number(y[:]), number(m[:]), *k)
}

func (portable) pick(z *triple, table *[1 << digitBits]triple, digits *[3]uint64) {
	for i, digit := range digits {
		var picked [tripleLimbs]uint64
		for e := 0; e < len(table); e += 4 {
			rows := table[e:][:4]
			a, b, c, d := &rows[0][i], &rows[1][i], &rows[2][i], &rows[3][i]
			other := digit ^ uint64(e)
			isA, isB, isC, isD := isZero(other), isZero(other^1), isZero(other^2), isZero(other^3)
			for j := range picked {
				picked[j] |= a[j]&isA | b[j]&isB | c[j]&isC | d[j]&isD
			}
		}
		copy(z[i][:], picked[:])
	}
}

// A column is what a limb of a product adds up to.
type column struct{ high, low uint64 }

// add returns c and a product.
func (c column) add(x, y uint64) column {
	high, low := bits.Mul64(x, y)
	low, carry := bits.Add64(c.low, low, 0)
	high, _ = bits.Add64(c.high, high, carry)
	return column{high, low}
}

// plus returns the sum of columns.
func (c column) plus(o column) column {
	low, carry := bits.Add64(c.low, o.low, 0)
	high, _ := bits.Add64(c.high, o.high, carry)
	return column{high, low}
}

// carry returns what c adds to the next column.
func (c column) carry() column {
	return column{c.high >> limbBits, c.high<<(64-limbBits) | c.low>>limbBits}
}

// number is the size of numbers, which is even.
type number interface {
	[tripleLimbs]uint64 | [wideLimbs]uint64
}

// multiply sets z to x·y/2^(58·n) modulo m, at most a little above m. It adds a multiple of
// m that makes the lower half of the columns zero; the limbs of its factor are q.
func multiply[N number](z, x, y, m *N, k uint64) {
	if x == y {
		square(z, x, m, k)
		return
	}
	var q N
	var even, odd column
	n := len(q)
	for c := 0; c < n; c += 2 {
		for i := range c {
			even = even.add((*x)[i], (*y)[c-i])
			odd = odd.add((*x)[i], (*y)[c-i+1])
			even = even.add(q[i], (*m)[c-i])
			odd = odd.add(q[i], (*m)[c-i+1])
		}
		even = even.add((*x)[c], (*y)[0])
		odd = odd.add((*x)[c], (*y)[1]).add((*x)[c+1], (*y)[0])
		q[c] = even.low * k & limbMask
		odd = odd.plus(even.add(q[c], (*m)[0]).carry()).add(q[c], (*m)[1])
		q[c+1] = odd.low * k & limbMask
		even, odd = odd.add(q[c+1], (*m)[0]).carry(), column{}
	}
	for c := 0; c < n; c += 2 {
		even = even.add((*x)[c+1], (*y)[n-1]).add(q[c+1], (*m)[n-1])
		for i := c + 2; i < n; i++ {
			even = even.add((*x)[i], (*y)[n+c-i])
			odd = odd.add((*x)[i], (*y)[n+c-i+1])
			even = even.add(q[i], (*m)[n+c-i])
			odd = odd.add(q[i], (*m)[n+c-i+1])
		}
		odd = odd.plus(even.carry())
		(*z)[c], (*z)[c+1] = even.low&limbMask, odd.low&limbMask
		even, odd = odd.carry(), column{}
	}
}

// square does what multiply does with y = x. Each product of two different limbs is there
// twice.
func square[N number](z, x, m *N, k uint64) {
	var q, twice N
	var even, odd column
	n := len(q)
	for i := range n {
		twice[i] = 2 * (*x)[i]
	}
	for c := 0; c < n; c += 2 {
		for i := range c / 2 {
			j, rest := 2*i, c-2*i
			even = even.add(twice[i], (*x)[rest+i])
			odd = odd.add(twice[i], (*x)[rest+i+1])
			even = even.add(q[j], (*m)[rest])
			odd = odd.add(q[j], (*m)[rest+1])
			even = even.add(q[j+1], (*m)[rest-1])
			odd = odd.add(q[j+1], (*m)[rest])
		}
		even = even.add((*x)[c/2], (*x)[c/2])
		odd = odd.add(twice[c/2], (*x)[c/2+1])
		q[c] = even.low * k & limbMask
		odd = odd.plus(even.add(q[c], (*m)[0]).carry()).add(q[c], (*m)[1])
		q[c+1] = odd.low * k & limbMask
		even, odd = odd.add(q[c+1], (*m)[0]).carry(), column{}
	}
	for c := 0; c < n; c += 2 {
		even = even.add((*x)[(n+c)/2], (*x)[(n+c)/2]).add(q[c+1], (*m)[n-1])
		for r := range (n-c)/2 - 1 {
			i, j := c+1+r, c+2+2*r
			even = even.add(twice[i], (*x)[n+c-i])
			odd = odd.add(twice[i+1], (*x)[n+c-i])
			even = even.add(q[j], (*m)[n+c-j])
			odd = odd.add(q[j], (*m)[n+c-j+1])
			even = even.add(q[j+1], (*m)[n+c-j-1])
			odd = odd.add(q[j+1], (*m)[n+c-j])
		}
		odd = odd.plus(even.carry())
		(*z)[c], (*z)[c+1] = even.low&limbMask, odd.low&limbMask
		even, odd = odd.carry(), column{}
	}
}
