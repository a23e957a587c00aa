// Command asm writes the assembly of proxy/leafrsa with avo. It is a module of its own,
// so that avo is not among the modules of tlslift.
//
// Numbers are in limbs of 52 bits, eight to a vector, as AVX-512 IFMA multiplies them.
// No instruction that it writes depends on a secret in its address or as a branch:
// the only branches count limbs and table entries.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	limbBits = 52
	lanes    = 8  // limbs of a vector
	bytes    = 64 // of a vector

	// Predicates of VPCMPUQ.
	isEqual, isGreater = 0, 6
)

func main() {
	ConstraintExpr("amd64,!purego")
	multiplication{name: "multiplyTriple", numbers: 3, vectors: 2, limbs: 14}.
		write("func(z, x, y, m *[3][16]uint64, k *[3]uint64)", "three products at once, one for each prime")
	multiplication{name: "multiplyWide", numbers: 1, vectors: 5, limbs: 40}.
		write("func(z, x, y, m *[40]uint64, k *uint64)", "a product modulo the public modulus")
	pick()
	Generate()
}

// A multiplication is a function for almost-Montgomery products of some numbers side by
// side: they do not depend on each other, so that one computes while the others wait.
type multiplication struct {
	name    string
	numbers int // side by side
	vectors int // of a number
	limbs   int // of a number that are in use
}

// A product is one of the numbers under way.
type product struct {
	index     int
	x, m, sum []VecVirtual
	carry     GPVirtual // what the limbs so far carry into the lowest one, which is not in sum
}

// operands are what all products share.
type operands struct {
	x, y, m, k Register
	count      GPVirtual
	mask       GPVirtual // of a limb
	zero, ones VecVirtual
}

func (f multiplication) write(signature, doc string) {
	TEXT(f.name, NOSPLIT, signature)
	Doc(f.name + " computes " + doc + ".")
	Pragma("noescape")
	o := operands{x: Load(Param("x"), GP64()), y: Load(Param("y"), GP64()), m: Load(Param("m"), GP64()), k: Load(Param("k"), GP64())}
	o.count, o.mask = GP64(), GP64()
	o.zero = ZMM()
	VPXORQ(o.zero, o.zero, o.zero)
	MOVQ(U64(1<<limbBits-1), o.mask)
	MOVQ(U32(f.limbs), o.count)
	all := make([]product, f.numbers)
	for i := range all {
		all[i] = f.start(i, o)
	}
	Label(f.name + "Limb")
	for _, p := range all {
		f.addLimb(p, o)
	}
	ADDQ(Imm(8), o.y)
	DECQ(o.count)
	JNZ(LabelRef(f.name + "Limb"))
	z := Load(Param("z"), GP64())
	limit := ZMM()
	VPBROADCASTQ(o.mask, limit)
	o.ones = ZMM()
	VPTERNLOGQ(Imm(0xff), o.ones, o.ones, o.ones)
	for _, p := range all {
		f.normalise(p, o, limit)
		for v := range f.vectors {
			VMOVDQU64(p.sum[v], Mem{Base: z, Disp: f.at(p.index, v)})
		}
	}
	leave(Z16, Z17, Z18, Z19, Z20, Z21, Z22)
}

// at returns the offset of a vector of a number.
func (f multiplication) at(number, vector int) int { return (number*f.vectors + vector) * bytes }

// start loads a number and its modulus.
func (f multiplication) start(index int, o operands) product {
	p := product{index: index, carry: GP64()}
	for v := range f.vectors {
		x, m, sum := ZMM(), ZMM(), ZMM()
		VMOVDQU64(Mem{Base: o.x, Disp: f.at(index, v)}, x)
		VMOVDQU64(Mem{Base: o.m, Disp: f.at(index, v)}, m)
		VPXORQ(sum, sum, sum)
		p.x, p.m, p.sum = append(p.x, x), append(p.m, m), append(p.sum, sum)
	}
	XORQ(p.carry, p.carry)
	return p
}

// addLimb adds the product of x and one limb of y, and the multiple of m that makes the
// lowest limb zero, and shifts that limb out. The lowest limb is computed apart in p.carry,
// because its way decides how long all takes; lane 0 of p.sum is without meaning.
func (f multiplication) addLimb(p product, o operands) {
	limb, low, high := Mem{Base: o.y, Disp: f.at(p.index, 0)}, GP64(), GP64()
	factor := ZMM()
	VPBROADCASTQ(limb, factor)
	MOVQ(limb, RDX)
	MULXQ(Mem{Base: o.x, Disp: f.at(p.index, 0)}, low, high)
	ADDQ(low, p.carry)
	ADCQ(Imm(0), high)
	for v := range f.vectors {
		VPMADD52LUQ(factor, p.x[v], p.sum[v])
	}

	MOVQ(Mem{Base: o.k, Disp: 8 * p.index}, RDX)
	IMULQ(p.carry, RDX)
	multiple := ZMM()
	VPBROADCASTQ(RDX, multiple) // the multiplication takes its low 52 bits
	ANDQ(o.mask, RDX)
	low, above := GP64(), GP64()
	MULXQ(Mem{Base: o.m, Disp: f.at(p.index, 0)}, low, above)
	ADDQ(low, p.carry)
	ADCQ(above, high)
	SHRQ(Imm(limbBits), p.carry)
	SHLQ(Imm(64-limbBits), high)
	ADDQ(high, p.carry)
	for v := range f.vectors {
		VPMADD52LUQ(multiple, p.m[v], p.sum[v])
	}

	for v := range f.vectors {
		next := o.zero
		if v+1 < f.vectors {
			next = p.sum[v+1]
		}
		VALIGNQ(Imm(1), p.sum[v], next, p.sum[v])
	}
	lowest := GP64()
	VMOVQ(p.sum[0].AsX(), lowest)
	ADDQ(lowest, p.carry)
	for v := range f.vectors {
		VPMADD52HUQ(factor, p.x[v], p.sum[v])
	}
	for v := range f.vectors {
		VPMADD52HUQ(multiple, p.m[v], p.sum[v])
	}
}

// normalise puts the lowest limb back, and makes each limb less than 2^52: first each one
// gets the high bits of the one below it, then the carries of 1 ripple through all of
// them as one addition of masks.
func (f multiplication) normalise(p product, o operands, limit VecVirtual) {
	one := GP32()
	MOVL(U32(1), one)
	KMOVW(one, K1)
	VPBROADCASTQ(p.carry, K1, p.sum[0])
	above, equal := GP64(), GP64()
	XORQ(above, above)
	XORQ(equal, equal)
	below := o.zero
	for v := range f.vectors {
		high, shifted := ZMM(), ZMM()
		VPSRLQ(Imm(limbBits), p.sum[v], high)
		VPANDQ(limit, p.sum[v], p.sum[v])
		VALIGNQ(Imm(lanes-1), below, high, shifted)
		VPADDQ(shifted, p.sum[v], p.sum[v])
		below = high
		f.compare(isGreater, limit, p.sum[v], above, v)
		f.compare(isEqual, limit, p.sum[v], equal, v)
	}
	ADDQ(above, above)
	ADDQ(equal, above)
	XORQ(equal, above)
	for v := range f.vectors {
		KMOVW(above.As32(), K1)
		SHRQ(Imm(lanes), above)
		VPSUBQ(o.ones, p.sum[v], K1, p.sum[v])
		VPANDQ(limit, p.sum[v], p.sum[v])
	}
}

// compare adds the lanes of a vector for which predicate holds to a mask of all vectors.
func (f multiplication) compare(predicate uint8, limit, sum VecVirtual, into GPVirtual, vector int) {
	VPCMPUQ(Imm(uint64(predicate)), limit, sum, K1)
	bits := GP64()
	KMOVW(K1, bits.As32())
	SHLQ(Imm(uint64(vector*lanes)), bits)
	ORQ(bits, into)
}

// pick writes the look-up in the table of powers, which reads all of it.
func pick() {
	const numbers, vectors, entries = 3, 2, 32
	TEXT("pickTriple", NOSPLIT, "func(z *[3][16]uint64, table *[32][3][16]uint64, digits *[3]uint64)")
	Doc(fmt.Sprintf("pickTriple picks one of %d powers for each prime, and reads all of them.", entries))
	Pragma("noescape")
	z, table, digits := Load(Param("z"), GP64()), Load(Param("table"), GP64()), Load(Param("digits"), GP64())
	count, entry, one := GP64(), ZMM(), ZMM()
	MOVQ(U32(1), count)
	VPBROADCASTQ(count, one)
	VPXORQ(entry, entry, entry)
	var digit [numbers]VecVirtual
	var picked [numbers * vectors]VecVirtual
	masks := [numbers]Register{K1, K2, K3}
	for i := range digit {
		digit[i] = ZMM()
		VPBROADCASTQ(Mem{Base: digits, Disp: 8 * i}, digit[i])
	}
	for i := range picked {
		picked[i] = ZMM()
		VPXORQ(picked[i], picked[i], picked[i])
	}
	MOVQ(U32(entries), count)
	Label("pickTripleEntry")
	for i, mask := range masks {
		VPCMPEQQ(digit[i], entry, mask)
	}
	for i := range picked {
		power := ZMM()
		VMOVDQU64(Mem{Base: table, Disp: i * bytes}, power)
		VMOVDQA64(power, masks[i/vectors], picked[i])
	}
	VPADDQ(one, entry, entry)
	ADDQ(U32(numbers*vectors*bytes), table)
	DECQ(count)
	JNZ(LabelRef("pickTripleEntry"))
	for i := range picked {
		VMOVDQU64(picked[i], Mem{Base: z, Disp: i * bytes})
	}
	leave()
}

// leave returns with nothing left in the vector registers. VZEROALL knows the lower 16
// only, so the caller names the others.
func leave(upper ...Register) {
	if len(upper) > 0 {
		zero := ZMM()
		VPXORQ(zero, zero, zero)
		for _, r := range upper {
			VMOVDQA64(zero, r)
		}
	}
	VZEROALL()
	RET()
}
