//go:build amd64 && !purego

package leafrsa

import "golang.org/x/sys/cpu"

//go:generate sh -c "cd asm && go run . -out ../ifma_amd64.s -stubs ../ifma_amd64.go -pkg leafrsa"

// An ifma is the core for processors with AVX-512 IFMA. The sources of its functions are
// in asm.
type ifma struct{}

func (ifma) radix() radix                                    { return radix{52, 14, 40} }
func (ifma) multiplyTriple(z, x, y, m *triple, k *[3]uint64) { multiplyTriple(z, x, y, m, k) }
func (ifma) multiplyWide(z, x, y, m *wide, k *uint64)        { multiplyWide(z, x, y, m, k) }
func (ifma) pick(z *triple, table *[1 << digitBits]triple, digits *[3]uint64) {
	pickTriple(z, table, digits)
}

// fastCore returns the core that is made for this processor, nil if there is none.
func fastCore() core {
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512IFMA && cpu.X86.HasBMI2 {
		return ifma{}
	}
	return nil
}
