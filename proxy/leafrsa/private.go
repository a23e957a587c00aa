package leafrsa

import (
	"bytes"
	"errors"
)

// errFault says that the machine has computed wrongly. Nothing of the result leaves.
var errFault = errors.New("the result of the RSA private operation is wrong: the processor or the memory has a fault")

// errRange is for what is no number modulo the public modulus, which anybody can see.
var errRange = errors.New("the RSA message is not below the modulus")

// A workspace is the memory for one private operation.
type workspace struct {
	table                [1 << digitBits]triple // of the powers of base
	base, power, part    triple
	input, result, check wide
	output               [maxSize]byte
}

// private returns input to the power of the private exponent, both in big-endian form and
// as long as the modulus.
func (k *Key) private(input []byte) (output []byte, err error) {
	err = k.withPower(input, func(power []byte) { output = bytes.Clone(power) })
	return output, err
}

// withPower calls use with input to the power of the private exponent, and wipes it then.
func (k *Key) withPower(input []byte, use func(power []byte)) error {
	w, _ := k.workspaces.Get().(*workspace)
	if w == nil {
		w = new(workspace)
	}
	defer func() {
		*w = workspace{} // it has what could give the key away, and the result
		k.workspaces.Put(w)
	}()
	k.setBytes(&w.input, input)
	if len(input) != k.public.Size() || isLess(&w.input, &k.modulus) == 0 {
		return errRange
	}
	k.reduce(w)
	k.exponentiate(w)
	k.combine(w)
	if !k.isRight(w) {
		return errFault
	}
	output := w.output[:len(input)]
	k.fillBytes(&w.result, output)
	use(output)
	return nil
}

// reduce sets base to the input modulo each prime, in Montgomery's form. The input is in
// three parts of as many limbs as a triple has.
func (k *Key) reduce(w *workspace) {
	w.base = triple{}
	for part := range k.parts {
		w.part = triple{}
		for i := range w.part {
			copy(w.part[i][:k.triple], w.input[part*k.triple:])
		}
		k.core.multiplyTriple(&w.part, &w.part, &k.parts[part], &k.primes, &k.factors)
		for i := range w.base {
			for j := range w.base[i] {
				w.base[i][j] += w.part[i][j]
			}
		}
	}
	for i := range w.base {
		k.carry(w.base[i][:])
	}
}

// exponentiate sets power to base to the power of each prime's exponent. It takes five
// bits of the exponents at a time, and as many steps for all exponents.
func (k *Key) exponentiate(w *workspace) {
	w.table[0], w.table[1] = k.one, w.base
	for i := 2; i < len(w.table); i++ {
		k.core.multiplyTriple(&w.table[i], &w.table[i-1], &w.base, &k.primes, &k.factors)
	}
	k.core.pick(&w.power, &w.table, &k.digits[0])
	for i := 1; i < len(k.digits); i++ {
		for range digitBits {
			k.core.multiplyTriple(&w.power, &w.power, &w.power, &k.primes, &k.factors)
		}
		k.core.pick(&w.part, &w.table, &k.digits[i])
		k.core.multiplyTriple(&w.power, &w.power, &w.part, &k.primes, &k.factors)
	}
}

// combine sets the result to the number that is each power modulo its prime: the sum of
// (power · 1/cofactor mod prime) · cofactor. A cofactor is the product of the other primes.
func (k *Key) combine(w *workspace) {
	k.core.multiplyTriple(&w.power, &w.power, &k.inverses, &k.primes, &k.factors)
	k.addProducts(&w.result, &w.power, &k.cofactors)
	for range k.primes {
		k.subtractOnce(&w.result, &k.modulus)
	}
}

// isRight reports whether the result to the power of the public exponent is the input.
func (k *Key) isRight(w *workspace) bool {
	k.core.multiplyWide(&w.check, &w.result, &k.square, &k.modulus, &k.factor)
	for range exponentBits {
		k.core.multiplyWide(&w.check, &w.check, &w.check, &k.modulus, &k.factor)
	}
	k.core.multiplyWide(&w.check, &w.check, &w.result, &k.modulus, &k.factor)
	k.subtractOnce(&w.check, &k.modulus)
	return isLess(&w.result, &k.modulus)&isEqual(&w.check, &w.input) == 1
}
