//go:build amd64 && !purego

package aescbc

import (
	"crypto/aes"
	"crypto/fips140"
	"encoding"
	"encoding/binary"
	"hash"
	"math/bits"
	"sync"

	"golang.org/x/sys/cpu"
)

//go:generate sh -c "cd asm && go run . -out ../aescbc_amd64.s -stubs ../aescbc_amd64.go -pkg aescbc"

const (
	chunkLen = 64 // of a block of SHA-1
	groupLen = 4 * aes.BlockSize

	// minChunks is from how many on it pays to take a hash's state out and put it back.
	minChunks = 8

	// Rows of a table, after the keys of the rounds.
	chainRow = 15
	orderRow = 16

	roundsOf128 = 10
	stateLen    = 96 // of a marshalled SHA-1
	stateMagic  = "sha\x01"
)

// An engine is what has instructions for it. The sources of its functions are in asm.
type engine struct {
	// table is what the assembly reads: the keys of the rounds, the chain, and in which
	// order SHA-1 has the bytes of its words.
	table  [17][aes.BlockSize]byte
	rounds int
}

// states are marshalled states of SHA-1, for a short time. They are not local, because they
// would be allocated for each record.
var states = sync.Pool{New: func() any { return new([stateLen]byte) }}

// set makes the engine one that encrypts with a key of 16 or 32 bytes, and reports whether it
// can: not if the processor lacks an instruction, or if all is for Go's FIPS 140 module. To
// encrypt, it also needs what hasSHA1 reports.
func (e *engine) set(key, iv []byte) bool {
	if fips140.Enabled() || !cpu.X86.HasAES || !cpu.X86.HasAVX || len(key) != 16 && len(key) != 32 {
		return false
	}
	e.rounds = roundsOf128 + (len(key)-16)/4
	e.table[chainRow] = [aes.BlockSize]byte(iv)
	for i := range e.table[orderRow] {
		e.table[orderRow][i] = byte(aes.BlockSize - 1 - i)
	}
	e.expand(key)
	return true
}

// hasSHA1 reports whether the processor has all that encryptSHA1 needs. In a virtual
// machine, to ask takes microseconds.
var hasSHA1 = sync.OnceValue(func() bool {
	const sha = 1 << 29
	return cpu.X86.HasAVX2 && cpu.X86.HasSSSE3 && cpu.X86.HasSSE41 && features()&sha != 0
})

// expand makes the keys of the rounds (FIPS 197 section 5.2). A word has its first byte
// lowest.
func (e *engine) expand(key []byte) {
	count := len(key) / 4
	constant := uint32(1)
	var before uint32
	for i := range 4 * (e.rounds + 1) {
		word := before
		switch {
		case i < count:
			word = binary.LittleEndian.Uint32(key[4*i:])
		case i%count == 0:
			word = bits.RotateLeft32(substituted(before), -8) ^ constant ^ e.word(i-count)
			constant = double(constant)
		case count > 6 && i%count == 4:
			word = substituted(before) ^ e.word(i-count)
		default:
			word ^= e.word(i - count)
		}
		e.setWord(i, word)
		before = word
	}
}

// substituted is the word with each byte replaced by that of the table of AES.
func substituted(w uint32) uint32 { return uint32(substitute(uint64(w) << 32)) } //nolint:gosec // the lower word

func (e *engine) word(i int) uint32 { return binary.LittleEndian.Uint32(e.table[i/4][i%4*4:]) }

func (e *engine) setWord(i int, w uint32) { binary.LittleEndian.PutUint32(e.table[i/4][i%4*4:], w) }

// double doubles each byte of a word in the field of AES.
func double(w uint32) uint32 { return w<<1&0xfefefefe ^ w>>7&0x01010101*0x1b }

// invert makes an engine that encrypts one that decrypts (FIPS 197 section 5.3.5).
func (e *engine) invert() {
	for low, high := 0, e.rounds; low < high; low, high = low+1, high-1 {
		e.table[low], e.table[high] = e.table[high], e.table[low]
	}
	for i := 4; i < 4*e.rounds; i++ {
		w := e.word(i)
		w2 := double(w)
		w4 := double(w2)
		w9 := double(w4) ^ w
		e.setWord(i, w9^w^w2^w4^bits.RotateLeft32(w9^w2, -8)^bits.RotateLeft32(w9^w4, -16)^bits.RotateLeft32(w9, -24))
	}
}

// decrypt decrypts whole blocks of src.
func (e *engine) decrypt(dst, src []byte) {
	if n := len(src) / groupLen * groupLen; n > 0 {
		e.decryptGroups(dst, src[:n])
		dst, src = dst[n:], src[n:]
	}
	if n := len(src); n > 0 { // a part of a group
		var group [groupLen]byte
		copy(group[:], src)
		last := [aes.BlockSize]byte(src[n-aes.BlockSize:])
		e.decryptGroups(group[:], group[:])
		copy(dst, group[:n])
		e.table[chainRow] = last
	}
}

// decryptGroups decrypts whole groups.
func (e *engine) decryptGroups(dst, src []byte) {
	next := [aes.BlockSize]byte(src[len(src)-aes.BlockSize:]) // dst may be src
	decrypt(&e.table, e.rounds*aes.BlockSize, &dst[0], &src[0], len(src)/groupLen)
	e.table[chainRow] = next
}

// encrypt encrypts whole blocks of src. The sum that it makes meanwhile is of no use.
func (e *engine) encrypt(dst, src []byte) {
	var sum [8]uint32
	if n := len(src) / chunkLen * chunkLen; n > 0 {
		e.encryptChunks(dst, src[:n], &sum, src)
		dst, src = dst[n:], src[n:]
	}
	if n := len(src); n > 0 { // a part of a chunk
		var chunk [chunkLen]byte
		copy(chunk[:], src)
		e.encryptChunks(chunk[:], chunk[:], &sum, chunk[:])
		copy(dst, chunk[:n])
		e.table[chainRow] = [aes.BlockSize]byte(chunk[n-aes.BlockSize:])
	}
}

// encryptChunks encrypts whole chunks of src, and adds as much of hashed to a sum.
func (e *engine) encryptChunks(dst, src []byte, sum *[8]uint32, hashed []byte) {
	encryptSHA1(&e.table, (e.rounds-roundsOf128)*aes.BlockSize, &dst[0], &src[0], sum, &hashed[0], len(src)/chunkLen)
	e.table[chainRow] = [aes.BlockSize]byte(dst[len(src)-aes.BlockSize:])
}

// encryptAndHash encrypts the beginning of src while it adds the beginning of hashed to h,
// and returns how much it has done of both: nothing where that does not pay, or h is not
// SHA-1.
func (e *engine) encryptAndHash(dst, src []byte, h hash.Hash, hashed []byte) (encrypted, added int) {
	from, could := h.(encoding.BinaryAppender)
	to, can := h.(encoding.BinaryUnmarshaler)
	if !could || !can || h.BlockSize() != chunkLen || len(src) < minChunks*chunkLen {
		return 0, 0
	}
	room := states.Get().(*[stateLen]byte)
	defer func() {
		clear(room[:])
		states.Put(room)
	}()
	state, err := from.AppendBinary(room[:0])
	if err != nil || len(state) != stateLen || string(state[:len(stateMagic)]) != stateMagic {
		return 0, 0
	}
	length := state[stateLen-8:]
	begun := int(binary.BigEndian.Uint64(length) % chunkLen)
	first := (chunkLen - begun) % chunkLen
	chunks := min(len(src), len(hashed)-first) / chunkLen
	if chunks < minChunks {
		return 0, 0
	}
	if first > 0 {
		h.Write(hashed[:first])
		if state, err = from.AppendBinary(room[:0]); err != nil {
			panic("aescbc: " + err.Error()) // it has just worked
		}
	}
	n := chunks * chunkLen
	e.encryptAndAdd(dst, src[:n], state, hashed[first:])
	binary.BigEndian.PutUint64(length, binary.BigEndian.Uint64(length)+uint64(n))
	if err := to.UnmarshalBinary(state); err != nil {
		panic("aescbc: " + err.Error())
	}
	return n, first + n
}

// encryptAndAdd is encryptChunks for the sum in a marshalled SHA-1.
func (e *engine) encryptAndAdd(dst, src, state, hashed []byte) {
	words := state[len(stateMagic):]
	var sum [8]uint32
	at := [5]int{3, 2, 1, 0, 7} // where the assembly has them
	for i, j := range at {
		sum[j] = binary.BigEndian.Uint32(words[4*i:])
	}
	e.encryptChunks(dst, src, &sum, hashed)
	for i, j := range at {
		binary.BigEndian.PutUint32(words[4*i:], sum[j])
	}
}
