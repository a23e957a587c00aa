//go:build amd64 && !purego

package aescbc

import (
	"encoding"
	"encoding/binary"
	"hash"
)

const (
	stateLen   = 96 // of a marshalled SHA-1
	stateMagic = "sha\x01"

	// minChunks is from how many on it pays to take a hash's state out and put it back.
	minChunks = 8
)

// sumAt is where the assembly has the words of a sum.
var sumAt = [5]int{3, 2, 1, 0, 7}

// A sum is a SHA-1 whose state is taken out of its hash.
type sum struct {
	hash  marshaler // nil if it is no SHA-1
	room  *room
	first int // bytes until the hash is at the beginning of a chunk
}

// A marshaler is a hash whose state can be taken and set.
type marshaler interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// takeSum takes the state of a hash. The caller releases the sum.
func takeSum(h hash.Hash) sum {
	s := sum{room: newRoom()}
	m, can := h.(marshaler)
	if !can || m.BlockSize() != chunkLen {
		return s
	}
	state, err := m.AppendBinary(s.room.state[:0])
	if err != nil || len(state) != stateLen || string(state[:len(stateMagic)]) != stateMagic {
		return s
	}
	s.hash = m
	s.first = int(-binary.BigEndian.Uint64(s.length()) % chunkLen)
	return s
}

func (s *sum) release() { s.room.release() }

// length is how much the hash has had, in its state.
func (s *sum) length() []byte { return s.room.state[stateLen-8:] }

// pays reports whether it is one of SHA-1, and so many chunks are enough.
func (s *sum) pays(chunks int) bool { return s.hash != nil && chunks >= minChunks }

// begin adds what hashed has before the next chunk, and returns how much that is. The
// assembly adds to room.sum then.
func (s *sum) begin(hashed []byte) (first int) {
	if s.first > 0 {
		s.hash.Write(hashed[:s.first])
		if _, err := s.hash.AppendBinary(s.room.state[:0]); err != nil {
			panic("aescbc: " + err.Error()) // it has just worked
		}
	}
	words := s.room.state[len(stateMagic):]
	for i, j := range sumAt {
		s.room.sum[j] = binary.BigEndian.Uint32(words[4*i:])
	}
	return s.first
}

// end gives the state back to the hash, with n bytes more.
func (s *sum) end(n int) {
	words := s.room.state[len(stateMagic):]
	for i, j := range sumAt {
		binary.BigEndian.PutUint32(words[4*i:], s.room.sum[j])
	}
	binary.BigEndian.PutUint64(s.length(), binary.BigEndian.Uint64(s.length())+uint64(n)) //nolint:gosec // positive
	if err := s.hash.UnmarshalBinary(s.room.state[:]); err != nil {
		panic("aescbc: " + err.Error())
	}
}
