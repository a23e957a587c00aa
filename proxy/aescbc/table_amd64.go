//go:build amd64 && !purego

package aescbc

import (
	"crypto/aes"
	"encoding/binary"
	"math/bits"
)

// Rows of a table, after the keys of the rounds.
const (
	chainRow = 15
	orderRow = 16
)

// A table is what the assembly reads: the keys of the rounds, the chain, and in which order
// SHA-1 has the bytes of its words.
type table [17][aes.BlockSize]byte

// expand makes the keys of the rounds (FIPS 197 section 5.2). A word has its first byte
// lowest.
func (t *table) expand(key []byte, rounds int) {
	count := len(key) / 4
	constant := uint32(1)
	var before uint32
	for i := range 4 * (rounds + 1) {
		word := before
		switch {
		case i < count:
			word = binary.LittleEndian.Uint32(key[4*i:])
		case i%count == 0:
			word = bits.RotateLeft32(substituted(before), -8) ^ constant ^ t.word(i-count)
			constant = double(constant)
		case count > 6 && i%count == 4:
			word = substituted(before) ^ t.word(i-count)
		default:
			word ^= t.word(i - count)
		}
		t.setWord(i, word)
		before = word
	}
}

// substituted is the word with each byte replaced by that of the table of AES.
func substituted(w uint32) uint32 { return uint32(substitute(uint64(w) << 32)) } //nolint:gosec // the lower word

func (t *table) word(i int) uint32 { return binary.LittleEndian.Uint32(t[i/4][i%4*4:]) }

func (t *table) setWord(i int, w uint32) { binary.LittleEndian.PutUint32(t[i/4][i%4*4:], w) }

// double doubles each byte of a word in the field of AES.
func double(w uint32) uint32 { return w<<1&0xfefefefe ^ w>>7&0x01010101*0x1b }

// invert makes the keys those to decrypt with (FIPS 197 section 5.3.5).
func (t *table) invert(rounds int) {
	for low, high := 0, rounds; low < high; low, high = low+1, high-1 {
		t[low], t[high] = t[high], t[low]
	}
	for i := 4; i < 4*rounds; i++ {
		w := t.word(i)
		w2 := double(w)
		w4 := double(w2)
		w9 := double(w4) ^ w
		t.setWord(i, w9^w^w2^w4^bits.RotateLeft32(w9^w2, -8)^bits.RotateLeft32(w9^w4, -16)^bits.RotateLeft32(w9, -24))
	}
}
