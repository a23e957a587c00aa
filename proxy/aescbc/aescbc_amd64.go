//go:build amd64 && !purego

package aescbc

// features returns what CPUID has in EBX for leaf 7, which the processor has to know.
func features() uint32

// substitute replaces each byte of the upper word as AES does, without a table in memory, and
// returns it as the lower word.
func substitute(shifted uint64) uint64

// decrypt decrypts groups of 4 blocks. The key of the last round is last bytes after the first one.
//
//go:noescape
func decrypt(t *table, last int, dst *byte, src *byte, groups int)

// encryptSHA1 encrypts chunks of 64 bytes, and adds as many others to a sum of SHA-1. The keys
// of the rounds have extra bytes more than those of AES-128.
//
//go:noescape
func encryptSHA1(t *table, extra int, dst *byte, src *byte, sum *[8]uint32, hashed *byte, chunks int)

// encryptSHA1AVX512 is encryptSHA1 for a processor with AVX-512.
//
//go:noescape
func encryptSHA1AVX512(t *table, extra int, dst *byte, src *byte, sum *[8]uint32, hashed *byte, chunks int)

// decryptSHA1AVX512 decrypts chunks, and adds as many others to a sum.
//
//go:noescape
func decryptSHA1AVX512(t *table, extra int, dst *byte, src *byte, sum *[8]uint32, hashed *byte, chunks int)
