package leafrsa

// A radix is how a core keeps numbers: in limbs of some bits, the lowest first.
// Montgomery's radix is 2^(bits·triple) for a triple and 2^(bits·wide) for a wide. Both
// are far more than 36 times the modulus: a product of numbers below six times the modulus
// is below twice the modulus without a subtraction.
type radix struct{ bits, triple, wide int }

// mask has the bits of a limb.
func (r radix) mask() uint64 { return 1<<r.bits - 1 }

const (
	maxTripleLimbs = 16
	maxWideLimbs   = 40
	digitBits      = 5
)

// A triple is a number for each prime. The limbs that the radix does not use are zero.
type triple = [3][maxTripleLimbs]uint64

// A wide is a number modulo the public modulus.
type wide = [maxWideLimbs]uint64

// A core multiplies. Its methods take as long for all values. z may be x or y.
type core interface {
	radix() radix
	// multiplyTriple sets z to x·y/2^(bits·triple) modulo m, for each prime. k is -1/m
	// modulo 2^bits.
	multiplyTriple(z, x, y, m *triple, k *[3]uint64)
	// multiplyWide sets z to x·y/2^(bits·wide) modulo m.
	multiplyWide(z, x, y, m *wide, k *uint64)
	// pick sets z to the entry of each prime's digit.
	pick(z *triple, table *[1 << digitBits]triple, digits *[3]uint64)
}

// isZero returns a mask of ones if v, which is less than 2^63, is zero, else zero.
func isZero(v uint64) uint64 { return -((v - 1) >> 63) }
