package leafrsa

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// maxSize is the length of the largest modulus in bytes.
const maxSize = 256

// setBytes sets z to a number in big-endian form, of at most maxSize bytes.
func (r radix) setBytes(z *wide, b []byte) {
	var padded [maxSize]byte
	copy(padded[maxSize-len(b):], b)
	var words [maxSize/8 + 2]uint64
	for i := range maxSize / 8 {
		words[i] = binary.BigEndian.Uint64(padded[maxSize-8*(i+1):])
	}
	for i := range r.wide {
		at, shift := i*r.bits/64, i*r.bits%64
		z[i] = (words[at]>>shift | words[at+1]<<(64-shift)) & r.mask()
	}
}

// fillBytes writes x, which has to fit, to b in big-endian form.
func (r radix) fillBytes(x *wide, b []byte) {
	for i := range b {
		at, shift := i*8/r.bits, i*8%r.bits
		v := x[at] >> shift
		if shift > r.bits-8 {
			v |= x[at+1] << (r.bits - shift)
		}
		b[len(b)-1-i] = byte(v) //nolint:gosec // the rest is in the next byte
	}
}

// limbsOf sets z to x, which is not negative and has to fit.
func (r radix) limbsOf(z []uint64, x *big.Int) {
	rest, mask := new(big.Int).Set(x), new(big.Int).SetUint64(r.mask())
	for i := range z {
		z[i] = new(big.Int).And(rest, mask).Uint64()
		rest.Rsh(rest, uint(r.bits))
	}
	if rest.Sign() != 0 {
		panic("leafrsa: a number is too long")
	}
}

// carry makes each limb of x less than 2^bits; limbs are less than 2^63 before.
func (r radix) carry(x []uint64) {
	var above uint64
	for i := range x {
		v := x[i] + above
		x[i], above = v&r.mask(), v>>r.bits
	}
}

// subtractOnce subtracts m from x if x is not less.
func (r radix) subtractOnce(x, m *wide) {
	var difference wide
	var borrow uint64
	for i := range x {
		v := x[i] - m[i] - borrow
		difference[i], borrow = v&r.mask(), v>>63
	}
	less := -borrow
	for i := range x {
		x[i] = x[i]&less | difference[i]&^less
	}
}

// isLess returns 1 if x is less than m, else 0.
func isLess(x, m *wide) uint64 {
	var borrow uint64
	for i := range x {
		borrow = (x[i] - m[i] - borrow) >> 63
	}
	return borrow
}

// isEqual returns 1 if x is y, else 0.
func isEqual(x, y *wide) uint64 {
	var difference uint64
	for i := range x {
		difference |= x[i] ^ y[i]
	}
	return isZero(difference) & 1
}

// addProducts sets z to the sum of x[i]·y[i]; it has to fit.
func (r radix) addProducts(z *wide, x *triple, y *[3]wide) {
	var high, low uint64
	for column := range r.wide {
		for i := range x {
			for j := range min(column+1, r.triple) {
				h, l := bits.Mul64(x[i][j], y[i][column-j])
				var c uint64
				low, c = bits.Add64(low, l, 0)
				high += h + c
			}
		}
		z[column] = low & r.mask()
		low, high = high<<(64-r.bits)|low>>r.bits, high>>r.bits
	}
}
