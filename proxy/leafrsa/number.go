package leafrsa

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// maxSize is the length of the largest modulus in bytes.
const maxSize = 256

// setBytes sets z to a number in big-endian form, of at most maxSize bytes.
func setBytes(z *wide, b []byte) {
	var padded [maxSize]byte
	copy(padded[maxSize-len(b):], b)
	var words [maxSize/8 + 2]uint64
	for i := range maxSize / 8 {
		words[i] = binary.BigEndian.Uint64(padded[maxSize-8*(i+1):])
	}
	for i := range z {
		at, shift := i*limbBits/64, i*limbBits%64
		z[i] = (words[at]>>shift | words[at+1]<<(64-shift)) & limbMask
	}
}

// fillBytes writes x, which has to fit, to b in big-endian form.
func fillBytes(x *wide, b []byte) {
	for i := range b {
		at, shift := i*8/limbBits, i*8%limbBits
		v := x[at] >> shift
		if shift > limbBits-8 {
			v |= x[at+1] << (limbBits - shift)
		}
		b[len(b)-1-i] = byte(v) //nolint:gosec // the rest is in the next byte
	}
}

// limbsOf sets z to x, which is not negative and has to fit.
func limbsOf(z []uint64, x *big.Int) {
	rest, mask := new(big.Int).Set(x), big.NewInt(limbMask)
	for i := range z {
		z[i] = new(big.Int).And(rest, mask).Uint64()
		rest.Rsh(rest, limbBits)
	}
	if rest.Sign() != 0 {
		panic("leafrsa: a number is too long")
	}
}

// carry makes each limb of x less than 2^52; limbs are less than 2^63 before.
func carry(x []uint64) {
	var above uint64
	for i := range x {
		v := x[i] + above
		x[i], above = v&limbMask, v>>limbBits
	}
}

// subtractOnce subtracts m from x if x is not less.
func subtractOnce(x, m *wide) {
	var difference wide
	var borrow uint64
	for i := range x {
		v := x[i] - m[i] - borrow
		difference[i], borrow = v&limbMask, v>>63
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
func addProducts(z *wide, x *triple, y *[3]wide) {
	var high, low uint64
	for column := range z {
		for i := range x {
			for j := range min(column+1, tripleLimbs) {
				h, l := bits.Mul64(x[i][j], y[i][column-j])
				var c uint64
				low, c = bits.Add64(low, l, 0)
				high += h + c
			}
		}
		z[column] = low & limbMask
		low, high = high<<(64-limbBits)|low>>limbBits, high>>limbBits
	}
}
