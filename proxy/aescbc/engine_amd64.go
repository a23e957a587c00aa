//go:build amd64 && !purego

package aescbc

import (
	"crypto/aes"
	"crypto/fips140"
	"hash"
	"sync"

	"golang.org/x/sys/cpu"
)

const (
	chunkLen = 64 // of a block of SHA-1
	groupLen = 4 * aes.BlockSize

	roundsOf128 = 10
)

// An engine is what has instructions for it.
type engine struct {
	table  table
	rounds int
	wide   bool // has AVX-512 and the instructions for SHA-1
}

// A room has what is in memory for a short time. It is not local: a stack that grows leaves
// what it had behind.
type room struct {
	state [stateLen]byte // of a marshalled SHA-1
	sum   [8]uint32      // the same for the assembly
	group [groupLen]byte // a part of a group or of a chunk
}

var rooms = sync.Pool{New: func() any { return new(room) }}

func newRoom() *room { return rooms.Get().(*room) }

// release gives the room back, wiped: it goes to another connection.
func (r *room) release() {
	*r = room{}
	rooms.Put(r)
}

// set makes the engine one that encrypts or decrypts with a key of 16 or 32 bytes, and reports
// whether it can: not if the processor lacks an instruction, or if all is for Go's FIPS 140
// module. To encrypt, it also needs what hasSHA1 reports.
func (e *engine) set(key, iv []byte, decrypts bool) bool {
	if fips140.Enabled() || !cpu.X86.HasAES || !cpu.X86.HasAVX || len(key) != 16 && len(key) != 32 {
		return false
	}
	e.rounds = roundsOf128 + (len(key)-16)/4
	e.wide = cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && hasSHA1()
	e.table[chainRow] = [aes.BlockSize]byte(iv)
	for i := range e.table[orderRow] {
		e.table[orderRow][i] = byte(aes.BlockSize - 1 - i)
	}
	e.table.expand(key, e.rounds)
	if decrypts {
		e.table.invert(e.rounds)
	}
	return true
}

// hasSHA1 reports whether the processor has all that encryptSHA1 needs. In a virtual
// machine, to ask takes microseconds.
var hasSHA1 = sync.OnceValue(func() bool {
	const sha = 1 << 29
	return cpu.X86.HasAVX2 && cpu.X86.HasSSSE3 && cpu.X86.HasSSE41 && features()&sha != 0
})

// chain returns the block that the next one is chained to.
func (e *engine) chain() [aes.BlockSize]byte { return e.table[chainRow] }

func (e *engine) setChain(to [aes.BlockSize]byte) { e.table[chainRow] = to }

// decrypt decrypts whole blocks of src.
func (e *engine) decrypt(dst, src []byte) {
	if n := len(src) / groupLen * groupLen; n > 0 {
		e.decryptGroups(dst, src[:n])
		dst, src = dst[n:], src[n:]
	}
	if n := len(src); n > 0 { // a part of a group
		r := newRoom()
		defer r.release()
		copy(r.group[:], src)
		last := lastBlock(src)
		e.decryptGroups(r.group[:], r.group[:])
		copy(dst, r.group[:n])
		e.setChain(last)
	}
}

// decryptGroups decrypts whole groups.
func (e *engine) decryptGroups(dst, src []byte) {
	next := lastBlock(src) // dst may be src
	decrypt(&e.table, e.rounds*aes.BlockSize, &dst[0], &src[0], len(src)/groupLen)
	e.setChain(next)
}

// encrypt encrypts whole blocks of src. The sum that it makes meanwhile is of no use.
func (e *engine) encrypt(dst, src []byte) {
	if len(src) == 0 {
		return
	}
	r := newRoom()
	defer r.release()
	if n := len(src) / chunkLen * chunkLen; n > 0 {
		e.encryptChunks(dst, src[:n], &r.sum, src)
		dst, src = dst[n:], src[n:]
	}
	if n := len(src); n > 0 { // a part of a chunk
		copy(r.group[:], src)
		e.encryptChunks(r.group[:], r.group[:], &r.sum, r.group[:])
		copy(dst, r.group[:n])
		e.setChain(lastBlock(r.group[:n]))
	}
}

// encryptChunks encrypts whole chunks of src, and adds as much of hashed to a sum.
func (e *engine) encryptChunks(dst, src []byte, sum *[8]uint32, hashed []byte) {
	if chunks := len(src) / chunkLen; e.wide {
		encryptSHA1AVX512(&e.table, e.extra(), &dst[0], &src[0], sum, &hashed[0], chunks)
	} else {
		encryptSHA1(&e.table, e.extra(), &dst[0], &src[0], sum, &hashed[0], chunks)
	}
	e.setChain(lastBlock(dst[:len(src)]))
}

// decryptChunks decrypts whole chunks of src, and adds as much of hashed to a sum.
func (e *engine) decryptChunks(dst, src []byte, sum *[8]uint32, hashed []byte) {
	next := lastBlock(src) // dst may be src
	chunks := len(src) / chunkLen
	decryptSHA1AVX512(&e.table, e.extra(), &dst[0], &src[0], sum, &hashed[0], chunks) //nolint:gosec // there is a chunk
	e.setChain(next)
}

// extra is how many bytes the keys of the rounds have more than those of AES-128.
func (e *engine) extra() int { return (e.rounds - roundsOf128) * aes.BlockSize }

// encryptAndHash encrypts the beginning of src while it adds the beginning of hashed to h,
// and returns how much it has done of both: nothing where that does not pay, or h is not
// SHA-1.
func (e *engine) encryptAndHash(dst, src []byte, h hash.Hash, hashed []byte) (encrypted, added int) {
	s := takeSum(h)
	defer s.release()
	chunks := min(len(src), len(hashed)-s.first) / chunkLen
	if !s.pays(chunks) {
		return 0, 0
	}
	n := chunks * chunkLen
	first := s.begin(hashed)
	e.encryptChunks(dst, src[:n], &s.room.sum, hashed[first:])
	s.end(n)
	return n, first + n
}

// decryptAndHash decrypts the beginning of src while it adds the beginning of hashed, which
// is that of dst, to h. It returns how much it has done of both: nothing where that does
// not pay, or h is not SHA-1.
func (e *engine) decryptAndHash(dst, src []byte, h hash.Hash, hashed []byte) (decrypted, added int) {
	if !e.wide {
		return 0, 0
	}
	s := takeSum(h)
	defer s.release()
	chunks := min(len(src)-lag, len(hashed)-s.first) / chunkLen
	if !s.pays(chunks) {
		return 0, 0
	}
	n := chunks * chunkLen
	e.decrypt(dst, src[:lag]) //nolint:gosec // there are chunks after that
	first := s.begin(hashed)
	e.decryptChunks(dst[lag:], src[lag:lag+n], &s.room.sum, hashed[first:]) //nolint:gosec // as above
	s.end(n)
	return lag + n, first + n
}
