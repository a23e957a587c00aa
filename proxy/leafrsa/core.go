package leafrsa

import "math/bits"

// Numbers are in limbs of 52 bits, the lowest first. Montgomery's radix is 2^728 for a
// triple and 2^2080 for a wide, far more than four times the modulus: a product of
// numbers below twice the modulus is below twice the modulus again without a subtraction.
const (
	limbBits    = 52
	limbMask    = 1<<limbBits - 1
	tripleLimbs = 14
	tripleBits  = tripleLimbs * limbBits
	wideLimbs   = 40
	wideBits    = wideLimbs * limbBits
	digitBits   = 5
)

// A triple is a number for each prime, of 14 limbs and two that are zero.
type triple = [3][16]uint64

// A wide is a number modulo the public modulus.
type wide = [wideLimbs]uint64

// A core multiplies. Its methods take as long for all values. z may be x or y.
type core interface {
	// multiplyTriple sets z to x·y/2^728 modulo m, for each prime. k is -1/m modulo 2^52.
	multiplyTriple(z, x, y, m *triple, k *[3]uint64)
	// multiplyWide sets z to x·y/2^2080 modulo m.
	multiplyWide(z, x, y, m *wide, k *uint64)
	// pick sets z to the entry of each prime's digit.
	pick(z *triple, table *[1 << digitBits]triple, digits *[3]uint64)
}

// A portable is the core for all processors. It is no faster than crypto/rsa; it is what
// the others are compared with.
type portable struct{}

func (portable) multiplyTriple(z, x, y, m *triple, k *[3]uint64) {
	for i := range z {
		multiply(z[i][:tripleLimbs], x[i][:tripleLimbs], y[i][:tripleLimbs], m[i][:tripleLimbs], k[i])
	}
}

func (portable) multiplyWide(z, x, y, m *wide, k *uint64) { multiply(z[:], x[:], y[:], m[:], *k) }

func (portable) pick(z *triple, table *[1 << digitBits]triple, digits *[3]uint64) {
	var picked triple
	for entry := range table {
		for i, digit := range digits {
			mask := isZero(digit ^ uint64(entry))
			for j := range picked[i] {
				picked[i][j] |= table[entry][i][j] & mask
			}
		}
	}
	*z = picked
}

// isZero returns a mask of ones if v, which is less than 2^63, is zero, else zero.
func isZero(v uint64) uint64 { return -((v - 1) >> 63) }

// multiply sets z to x·y/2^(52·len) modulo m, at most a little above m.
func multiply(z, x, y, m []uint64, k uint64) {
	var sum wide
	for _, factor := range y {
		low := sum[0] + bits52(x[0], factor)
		multiple := low * k & limbMask
		var carry uint64
		for j := range x {
			high1, low1 := bits.Mul64(x[j], factor)
			high2, low2 := bits.Mul64(m[j], multiple)
			low, c := bits.Add64(low1, low2, 0)
			high := high1 + high2 + c
			low, c = bits.Add64(low, sum[j], 0)
			high += c
			low, c = bits.Add64(low, carry, 0)
			high += c
			carry = high<<(64-limbBits) | low>>limbBits
			if j > 0 {
				sum[j-1] = low & limbMask //nolint:gosec // j is not zero
			}
		}
		sum[len(x)-1] = carry
	}
	copy(z, sum[:len(x)])
}

// bits52 returns the low bits of a product.
func bits52(x, y uint64) uint64 { return x * y & limbMask }
