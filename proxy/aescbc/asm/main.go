// Command asm writes the assembly of proxy/aescbc with avo. It is a module of its own, so
// that avo is not among the modules of tlslift.
//
// No instruction that it writes depends on a secret in its address or as a branch: the
// only branches count blocks and rounds, which are the same for all keys of a length.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	block  = 16 // bytes of AES
	chunk  = 64 // bytes of a block of SHA-1
	atOnce = 4  // blocks that are decrypted at once

	// Rows of a table after the keys of the rounds.
	chainRow = 15 * block
	orderRow = 16 * block
)

func main() {
	ConstraintExpr("amd64,!purego")
	features()
	substitute()
	decrypt()
	encryptSHA1()
	Generate()
}

func features() {
	TEXT("features", NOSPLIT, "func() uint32")
	Doc("features returns what CPUID has in EBX for leaf 7, which the processor has to know.")
	MOVL(U32(7), EAX)
	XORL(ECX, ECX)
	CPUID()
	Store(EBX, ReturnIndex(0))
	RET()
}

func substitute() {
	TEXT("substitute", NOSPLIT, "func(shifted uint64) uint64")
	Doc("substitute replaces each byte of the upper word as AES does, without a table in memory, and",
		"returns it as the lower word.")
	x := XMM()
	VMOVQ(NewParamAddr("shifted", 0), x)
	VAESKEYGENASSIST(Imm(0), x, x)
	VMOVQ(x, NewParamAddr("ret", 8))
	RET()
}

// decrypt reads all blocks of a group before it writes one, because dst may be src.
func decrypt() {
	TEXT("decrypt", NOSPLIT, "func(t *[17][16]byte, last int, dst, src *byte, groups int)")
	Doc("decrypt decrypts groups of 4 blocks. The key of the last round is last bytes after the first one.")
	Pragma("noescape")
	table, last := Load(Param("t"), GP64()), Load(Param("last"), GP64())
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	groups := Load(Param("groups"), GP64())
	ADDQ(table, last)
	chain, key, first := XMM(), XMM(), XMM()
	VMOVDQU(Mem{Base: table, Disp: chainRow}, chain)
	VMOVDQU(Mem{Base: table}, first)
	Label("group")
	var blocks [atOnce]VecVirtual
	for i := range blocks {
		blocks[i] = XMM()
		VPXOR(Mem{Base: src, Disp: block * i}, first, blocks[i])
	}
	at := GP64()
	LEAQ(Mem{Base: table, Disp: block}, at)
	Label("round")
	VMOVDQU(Mem{Base: at}, key)
	for _, b := range blocks {
		VAESDEC(key, b, b)
	}
	ADDQ(Imm(block), at)
	CMPQ(at, last)
	JNE(LabelRef("round"))
	VMOVDQU(Mem{Base: last}, key)
	VPXOR(key, chain, chain) // what is added after the last round is in its key
	VAESDECLAST(chain, blocks[0], blocks[0])
	for i, b := range blocks[1:] {
		VPXOR(Mem{Base: src, Disp: block * i}, key, chain)
		VAESDECLAST(chain, b, b)
	}
	VMOVDQU(Mem{Base: src, Disp: block * (atOnce - 1)}, chain)
	for i, b := range blocks {
		VMOVDQU(b, Mem{Base: dst, Disp: block * i})
	}
	ADDQ(Imm(atOnce*block), src)
	ADDQ(Imm(atOnce*block), dst)
	DECQ(groups)
	JNZ(LabelRef("group"))
	RET()
}

// A stitch is the assembly of encryptSHA1 under way.
type stitch struct {
	table, extra, src, dst Register
	first, chain, plain    VecVirtual

	words    [4]VecVirtual // of the chunk
	sum      VecVirtual    // a, b, c, d
	e, nextE VecVirtual
}

// encryptSHA1 waits for one instruction of AES after the other, as each block needs the one
// before. What it does for SHA-1 meanwhile costs next to nothing.
func encryptSHA1() {
	TEXT("encryptSHA1", NOSPLIT, "func(t *[17][16]byte, extra int, dst, src *byte, sum *[8]uint32, hashed *byte, chunks int)")
	Doc("encryptSHA1 encrypts chunks of 64 bytes, and adds as many others to a sum of SHA-1. The keys",
		"of the rounds have extra bytes more than those of AES-128.")
	Pragma("noescape")
	s := stitch{table: Load(Param("t"), GP64()), extra: Load(Param("extra"), GP64())}
	s.dst, s.src = Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	sum, hashed := Mem{Base: Load(Param("sum"), GP64())}, Load(Param("hashed"), GP64())
	chunks := Load(Param("chunks"), GP64())
	s.first, s.chain, s.plain, s.sum, s.e, s.nextE = XMM(), XMM(), XMM(), XMM(), XMM(), XMM()
	order, oldSum, oldE := XMM(), XMM(), XMM()
	VMOVDQU(Mem{Base: s.table}, s.first)
	VMOVDQU(Mem{Base: s.table, Disp: chainRow}, s.chain)
	VMOVDQU(Mem{Base: s.table, Disp: orderRow}, order)
	VMOVDQU(sum, s.sum)
	VMOVDQU(sum.Offset(block), s.e)

	Label("chunk")
	VMOVDQA(s.sum, oldSum)
	VMOVDQA(s.e, oldE)
	for i := range s.words {
		s.words[i] = XMM()
		VMOVDQU(Mem{Base: hashed, Disp: block * i}, s.words[i])
		VPSHUFB(order, s.words[i], s.words[i])
	}
	for group := range 20 {
		s.addGroup(group)
		s.addRounds(group/5, group%5)
	}
	SHA1NEXTE(oldE, s.e)
	VPADDD(oldSum, s.sum, s.sum)
	for _, at := range []Register{s.src, s.dst, hashed} {
		ADDQ(Imm(chunk), at)
	}
	DECQ(chunks)
	JNZ(LabelRef("chunk"))
	VMOVDQU(s.sum, sum)
	VMOVDQU(s.e, sum.Offset(block))
	RET()
}

// addGroup adds four of SHA-1's 80 rounds, and makes words of those that come later.
func (s *stitch) addGroup(group int) {
	w := func(later int) VecVirtual { return s.words[(group+later)%4] }
	if group == 0 {
		VPADDD(w(0), s.e, s.e)
	} else {
		SHA1NEXTE(w(0), s.e)
	}
	VMOVDQA(s.sum, s.nextE)
	if 3 <= group && group < 19 {
		SHA1MSG2(w(0), w(1))
	}
	SHA1RNDS4(Imm(uint64(group/5)), s.e, s.sum)
	if 1 <= group && group < 17 {
		SHA1MSG1(w(0), w(3))
	}
	if 2 <= group && group < 18 {
		VPXOR(w(0), w(2), w(2))
	}
	s.e, s.nextE = s.nextE, s.e
}

// addRounds adds a fifth of the rounds of one block of the chunk.
func (s *stitch) addRounds(number, fifth int) {
	key := func(i int) Mem { return Mem{Base: s.table, Disp: block * i} }
	late := func(i int) Mem { return Mem{Base: s.table, Index: s.extra, Scale: 1, Disp: block * i} }
	if fifth == 0 {
		VPXOR(Mem{Base: s.src, Disp: block * number}, s.first, s.plain)
		VPXOR(s.plain, s.chain, s.chain)
		short := "short" + string(rune('0'+number))
		TESTQ(s.extra, s.extra)
		JZ(LabelRef(short))
		for i := 1; i <= 4; i++ {
			VAESENC(key(i), s.chain, s.chain)
		}
		Label(short)
	}
	VAESENC(late(2*fifth+1), s.chain, s.chain)
	if fifth < 4 {
		VAESENC(late(2*fifth+2), s.chain, s.chain)
		return
	}
	VAESENCLAST(late(10), s.chain, s.chain)
	VMOVDQU(s.chain, Mem{Base: s.dst, Disp: block * number})
}
