//go:build amd64 && !purego

#include "textflag.h"

// No instruction here depends on a secret in its address or as a branch: the only branches count
// blocks and rounds, which are the same for all keys of a length. TestAssemblyIsConstantTime
// reads what the assembler makes of it.
//
// A table has the keys of the rounds, and after them the chain and the order of bytes.
#define CHAIN 240
#define ORDER 256

// func features() uint32
TEXT ·features(SB), NOSPLIT, $0-4
	MOVL $7, AX
	XORL CX, CX
	CPUID
	MOVL BX, ret+0(FP)
	RET

// func substitute(shifted uint64) uint64
TEXT ·substitute(SB), NOSPLIT, $0-16
	VMOVQ            shifted+0(FP), X0
	VAESKEYGENASSIST $0, X0, X0
	VMOVQ            X0, ret+8(FP)
	RET

// func decrypt(t *table, last int, dst *byte, src *byte, groups int)
//
// It reads all blocks of a group before it writes one, because dst may be src.
TEXT ·decrypt(SB), NOSPLIT, $0-40
	MOVQ    t+0(FP), AX
	MOVQ    last+8(FP), CX
	MOVQ    dst+16(FP), DX
	MOVQ    src+24(FP), BX
	MOVQ    groups+32(FP), SI
	ADDQ    AX, CX
	VMOVDQU CHAIN(AX), X0
	VMOVDQU (AX), X2

group:
	VPXOR (BX), X2, X3
	VPXOR 16(BX), X2, X4
	VPXOR 32(BX), X2, X5
	VPXOR 48(BX), X2, X6
	LEAQ  16(AX), DI

round:
	VMOVDQU     (DI), X1
	VAESDEC     X1, X3, X3
	VAESDEC     X1, X4, X4
	VAESDEC     X1, X5, X5
	VAESDEC     X1, X6, X6
	ADDQ        $16, DI
	CMPQ        DI, CX
	JNE         round
	VMOVDQU     (CX), X1
	VPXOR       X1, X0, X0 // what is added after the last round is in its key
	VAESDECLAST X0, X3, X3
	VPXOR       (BX), X1, X0
	VAESDECLAST X0, X4, X4
	VPXOR       16(BX), X1, X0
	VAESDECLAST X0, X5, X5
	VPXOR       32(BX), X1, X0
	VAESDECLAST X0, X6, X6
	VMOVDQU     48(BX), X0
	VMOVDQU     X3, (DX)
	VMOVDQU     X4, 16(DX)
	VMOVDQU     X5, 32(DX)
	VMOVDQU     X6, 48(DX)
	ADDQ        $64, BX
	ADDQ        $64, DX
	DECQ        SI
	JNZ         group
	RET

// What follows is SHA-1 beside AES: each fills the time in which the other one waits. The table is
// at AX, and the last 10 keys are CX further than those of AES-128; src is at BX, dst at DX, the
// sum at SI, and what is added to it at DI. X2 is the chain.
//
// ROUNDS is 4 of the 80 rounds of SHA-1, of the kind f, with the words w. X3 has a, b, c and d;
// e has the e of these rounds, and next gets that of the next ones: a, to be rotated. FIRST is
// the first rounds, and LAST adds the e of before.
#define FIRST VPADDD X8, X4, X4; VMOVDQA X3, X5; SHA1RNDS4 $0, X4, X3
#define ROUNDS(f, w, e, next) SHA1NEXTE w, e; VMOVDQA X3, next; SHA1RNDS4 $f, e, X3
#define LAST VMOVDQU 16(SI), X0; SHA1NEXTE X0, X4

// With AVX-512, to rotate (K1 is the place of a) and to add takes a cycle less than SHA1NEXTE.
#define FIRST512 ROUNDS512(0, X8, X4, X5)
#define ROUNDS512(f, w, e, next) VPADDD w, e, e; VPROLD.Z $30, X3, K1, next; SHA1RNDS4 $f, e, X3
#define LAST512 VPADDD 16(SI), X4, X4

// EARLY and LATE make 4 words of those before them. They do without SHA1MSG1 and SHA1MSG2, which
// keep the part of the processor busy that the rounds need. EARLY is for W[16] to W[31], as in
// FIPS 180-4 section 6.1.2: the last of the 4 needs the first. From there on,
// W[t] = (W[t-6] ^ W[t-16] ^ W[t-28] ^ W[t-32]) <<< 2 is the same, and none needs another one.
#define EARLY(w16, w12, w8, w4, w) \
	VPALIGNR $8, w12, w16, X0; VPSLLDQ $4, w4, X1; \
	VPXOR    w16, X0, w; VPXOR w8, X1, X1; VPXOR X1, w, w; \
	VPSRLDQ  $12, w, X0; \
	VPSRLD   $31, w, X1; VPADDD w, w, w; VPXOR X1, w, w; \
	VPSRLD   $30, X0, X1; VPSLLD $2, X0, X0; VPXOR X1, w, w; VPXOR X0, w, w

#define LATE(w16, w8, w4, w, w28) \
	VPALIGNR $8, w4, w8, X0; VPXOR w28, w, w; VPXOR w16, X0, X0; VPXOR X0, w, w; \
	VPSRLD   $30, w, X0; VPSLLD $2, w, w; VPXOR X0, w, w

#define EARLY512(w16, w12, w8, w4, w) \
	VPALIGNR   $8, w12, w16, X0; VPSLLDQ $4, w4, X1; \
	VPXOR      w16, X0, w; VPTERNLOGD $0x96, w8, X1, w; \
	VPSRLDQ    $12, w, X0; VPROLD $1, w, w; VPROLD $2, X0, X0; VPXOR X0, w, w

#define LATE512(w16, w8, w4, w, w28) \
	VPALIGNR   $8, w4, w8, X0; VPXOR w28, w, w; VPTERNLOGD $0x96, w16, X0, w; VPROLD $2, w, w

// Encrypting waits for one instruction of AES after the other, as each block needs the one before.
// X2 has the next block added already: X7 is the first key and the last one, and what is added
// after the last round is in its key. So nothing but AES is in the chain.
#define ENC_BEGIN(i, short) \
	TESTQ   CX, CX; JZ short; \
	VAESENC 16(AX), X2, X2; VAESENC 32(AX), X2, X2; VAESENC 48(AX), X2, X2; VAESENC 64(AX), X2, X2; \
short:

#define ENC_TWO(i) VAESENC i(AX)(CX*1), X2, X2; VAESENC (i+16)(AX)(CX*1), X2, X2

#define ENC_END(i, next) \
	VAESENC     144(AX)(CX*1), X2, X2; VPXOR next, X7, X6; \
	VAESENCLAST 160(AX)(CX*1), X2, X0; VMOVDQU X0, i(DX); \
	VAESENCLAST X6, X2, X2

// Decrypting waits for nothing. X7 is the first key.
#define DEC_BEGIN(i, short) \
	VPXOR   i(BX), X7, X6; TESTQ CX, CX; JZ short; \
	VAESDEC 16(AX), X6, X6; VAESDEC 32(AX), X6, X6; VAESDEC 48(AX), X6, X6; VAESDEC 64(AX), X6, X6; \
short:

#define DEC_TWO(i) VAESDEC i(AX)(CX*1), X6, X6; VAESDEC (i+16)(AX)(CX*1), X6, X6

#define DEC_END(i, next) \
	VAESDEC     144(AX)(CX*1), X6, X6; VPXOR 160(AX)(CX*1), X2, X2; \
	VAESDECLAST X2, X6, X6; VMOVDQU i(BX), X2; VMOVDQU X6, i(DX)

// CHUNK adds 64 bytes to the sum. Meanwhile BEGIN, TWO rounds (four times) and END work on
// each of 4 blocks. The block after these is at R9.
#define CHUNK(FIRST, ROUNDS, LAST, EARLY, LATE, BEGIN, TWO, END) \
	VMOVDQU 0(DI), X8; VPSHUFB ORDER(AX), X8, X8; \
	VMOVDQU 16(DI), X9; VPSHUFB ORDER(AX), X9, X9; \
	VMOVDQU 32(DI), X10; VPSHUFB ORDER(AX), X10, X10; \
	VMOVDQU 48(DI), X11; VPSHUFB ORDER(AX), X11, X11; \
	FIRST; EARLY(X8, X9, X10, X11, X12); BEGIN(0, short0); TWO(16); \
	ROUNDS(0, X9, X5, X4); EARLY(X9, X10, X11, X12, X13); TWO(48); \
	ROUNDS(0, X10, X4, X5); EARLY(X10, X11, X12, X13, X14); TWO(80); \
	ROUNDS(0, X11, X5, X4); EARLY(X11, X12, X13, X14, X15); TWO(112); \
	ROUNDS(0, X12, X4, X5); LATE(X12, X14, X15, X8, X9); END(0, 16(BX)); \
	ROUNDS(1, X13, X5, X4); LATE(X13, X15, X8, X9, X10); BEGIN(16, short1); TWO(16); \
	ROUNDS(1, X14, X4, X5); LATE(X14, X8, X9, X10, X11); TWO(48); \
	ROUNDS(1, X15, X5, X4); LATE(X15, X9, X10, X11, X12); TWO(80); \
	ROUNDS(1, X8, X4, X5); LATE(X8, X10, X11, X12, X13); TWO(112); \
	ROUNDS(1, X9, X5, X4); LATE(X9, X11, X12, X13, X14); END(16, 32(BX)); \
	ROUNDS(2, X10, X4, X5); LATE(X10, X12, X13, X14, X15); BEGIN(32, short2); TWO(16); \
	ROUNDS(2, X11, X5, X4); LATE(X11, X13, X14, X15, X8); TWO(48); \
	ROUNDS(2, X12, X4, X5); LATE(X12, X14, X15, X8, X9); TWO(80); \
	ROUNDS(2, X13, X5, X4); LATE(X13, X15, X8, X9, X10); TWO(112); \
	ROUNDS(2, X14, X4, X5); LATE(X14, X8, X9, X10, X11); END(32, 48(BX)); \
	ROUNDS(3, X15, X5, X4); LATE(X15, X9, X10, X11, X12); BEGIN(48, short3); TWO(16); \
	ROUNDS(3, X8, X4, X5); TWO(48); \
	ROUNDS(3, X9, X5, X4); TWO(80); \
	ROUNDS(3, X10, X4, X5); TWO(112); \
	ROUNDS(3, X11, X5, X4); END(48, (R9)); \
	LAST; VPADDD (SI), X3, X3; \
	VMOVDQU X3, (SI); VMOVDQU X4, 16(SI); \
	ADDQ $64, BX; ADDQ $64, DX; ADDQ $64, DI

// SUM reads the sum and the chain.
#define MASK512 MOVL $8, R9; KMOVW R9, K1
#define SUM VMOVDQU (SI), X3; VMOVDQU 16(SI), X4; VMOVDQU CHAIN(AX), X2; VMOVDQU (AX), X7

// FIRST_BLOCK and AFTER get the block after the chain, and where the one after a chunk is. The last
// chunk reads nothing after itself.
#define FIRST_BLOCK VPXOR (BX), X7, X6; VPXOR X6, X2, X2; VPXOR 160(AX)(CX*1), X7, X7
#define AFTER LEAQ 64(BX), R9; CMPQ R8, $1; CMOVQEQ BX, R9

// func encryptSHA1(t *table, extra int, dst *byte, src *byte, sum *[8]uint32, hashed *byte, chunks int)
TEXT ·encryptSHA1(SB), NOSPLIT, $0-56
	MOVQ    t+0(FP), AX
	MOVQ    extra+8(FP), CX
	MOVQ    dst+16(FP), DX
	MOVQ    src+24(FP), BX
	MOVQ    sum+32(FP), SI
	MOVQ    hashed+40(FP), DI
	MOVQ    chunks+48(FP), R8
	SUM
	FIRST_BLOCK

chunk:
	AFTER
	CHUNK(FIRST, ROUNDS, LAST, EARLY, LATE, ENC_BEGIN, ENC_TWO, ENC_END)
	DECQ R8
	JNZ  chunk
	RET

// func encryptSHA1AVX512(t *table, extra int, dst *byte, src *byte, sum *[8]uint32, hashed *byte, chunks int)
TEXT ·encryptSHA1AVX512(SB), NOSPLIT, $0-56
	MOVQ    t+0(FP), AX
	MOVQ    extra+8(FP), CX
	MOVQ    dst+16(FP), DX
	MOVQ    src+24(FP), BX
	MOVQ    sum+32(FP), SI
	MOVQ    hashed+40(FP), DI
	MOVQ    chunks+48(FP), R8
	SUM
	MASK512
	FIRST_BLOCK

chunk:
	AFTER
	CHUNK(FIRST512, ROUNDS512, LAST512, EARLY512, LATE512, ENC_BEGIN, ENC_TWO, ENC_END)
	DECQ R8
	JNZ  chunk
	RET

// func decryptSHA1AVX512(t *table, extra int, dst *byte, src *byte, sum *[8]uint32, hashed *byte, chunks int)
TEXT ·decryptSHA1AVX512(SB), NOSPLIT, $0-56
	MOVQ    t+0(FP), AX
	MOVQ    extra+8(FP), CX
	MOVQ    dst+16(FP), DX
	MOVQ    src+24(FP), BX
	MOVQ    sum+32(FP), SI
	MOVQ    hashed+40(FP), DI
	MOVQ    chunks+48(FP), R8
	SUM
	MASK512

chunk:
	CHUNK(FIRST512, ROUNDS512, LAST512, EARLY512, LATE512, DEC_BEGIN, DEC_TWO, DEC_END)
	DECQ R8
	JNZ  chunk
	RET
