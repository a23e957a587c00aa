package legacytls

import (
	"crypto/hmac"
	"crypto/subtle"
	"encoding"
	"encoding/binary"
	"hash"
)

// A recordMAC is the HMAC of records (RFC 5246 section 6.2.3.1). It is used by
// one goroutine.
type recordMAC struct {
	hmac  hash.Hash
	size  int
	block int // of the hash
	tail  int // what the hash puts after its input at least: 0x80, and its length

	// What constantTime needs: the hash after the block of each pad.
	work         hash.Hash
	inner, outer []byte
	state        []byte
	last         [maxBlock]byte
	digest       [maxMAC]byte
	window       window
}

const (
	macHeaderLen = 13  // sequence number, type, version and length
	maxMAC       = 48  // of SHA-384
	maxBlock     = 128 // of SHA-384; of MD5, SHA-1 and SHA-256, 64
	stateHead    = 4   // a marshalled state begins with 4 bytes to know it by
)

func newRecordMAC(hash func() hash.Hash, key []byte) *recordMAC {
	m := &recordMAC{hmac: hmac.New(hash, key), work: hash()}
	m.size, m.block = m.work.Size(), m.work.BlockSize()
	m.tail = 1 + m.block/8
	m.inner = m.afterPad(key, 0x36)
	m.outer = m.afterPad(key, 0x5c)
	return m
}

// afterPad is the hash's state after the first block of HMAC (RFC 2104).
func (m *recordMAC) afterPad(key []byte, pad byte) []byte {
	block := make([]byte, m.block)
	copy(block, key)
	for i := range block {
		block[i] ^= pad
	}
	m.work.Reset()
	m.work.Write(block)
	clear(block)
	return m.marshal(nil)
}

// marshal appends the state of work. All hashes of crypto know how, and none
// fails.
func (m *recordMAC) marshal(b []byte) []byte {
	b, err := m.work.(encoding.BinaryAppender).AppendBinary(b)
	if err != nil {
		panic("legacytls: " + err.Error())
	}
	return b
}

func (m *recordMAC) restore(state []byte) {
	if err := m.work.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic("legacytls: " + err.Error())
	}
}

// sum appends the MAC of a record whose length is no secret.
func (m *recordMAC) sum(b []byte, header *[macHeaderLen]byte, data []byte) []byte {
	m.hmac.Reset()
	m.hmac.Write(header[:])
	m.hmac.Write(data)
	return m.hmac.Sum(b)
}

// begin makes work what the MAC of a record begins with; the data is to be written to it.
func (m *recordMAC) begin(header *[macHeaderLen]byte) {
	m.restore(m.inner)
	m.work.Write(header[:])
}

// end appends the MAC of what work has.
func (m *recordMAC) end(b []byte) []byte {
	digest := m.work.Sum(m.digest[:0])
	m.restore(m.outer)
	m.work.Write(digest)
	return m.work.Sum(b)
}

// constantTime computes the MAC of data[:n], in a time and with accesses to
// memory that depend on len(data) alone, while n is a secret between least and
// len(data): otherwise the time would tell how much padding an attacker's
// record has (Lucky Thirteen). The last block of the hash's input is somewhere
// among the last few; all of those are computed, and one is kept. The MAC is good
// until the next one.
func (m *recordMAC) constantTime(header *[macHeaderLen]byte, data []byte, n, least int) []byte {
	binary.BigEndian.PutUint16(header[macHeaderLen-2:], uint16(n)) //nolint:gosec // at most the length of a record
	m.restore(m.inner)
	first := (macHeaderLen + least) / m.block // blocks that are full whatever n is
	m.writeBlocks(header, data, first)

	digest := m.digest[:m.size]
	clear(digest)
	length := macHeaderLen + n
	last := (length + m.tail - 1) / m.block
	blocks := (macHeaderLen + len(data) + m.tail + m.block - 1) / m.block
	for i := first; i < blocks; i++ {
		isLast := subtle.ConstantTimeEq(int32(i), int32(last)) //nolint:gosec // small
		m.lastBlock(header, data, i, length, isLast)
		m.work.Write(m.last[:m.block])
		m.state = m.marshal(m.state[:0])
		keep(isLast, digest, m.state[stateHead:])
	}
	m.restore(m.outer)
	m.work.Write(digest)
	return m.work.Sum(m.digest[:0])
}

// writeBlocks hashes the first blocks of header and data.
func (m *recordMAC) writeBlocks(header *[macHeaderLen]byte, data []byte, blocks int) {
	if blocks == 0 {
		return
	}
	m.work.Write(header[:])
	m.work.Write(data[:blocks*m.block-macHeaderLen])
}

// lastBlock makes last the i-th block of the hash's input as if the length were known:
// data up to length, then 0x80, then zeros, and in the last one the length in
// bits, which counts the block of the pad.
func (m *recordMAC) lastBlock(header *[macHeaderLen]byte, data []byte, i, length, isLast int) {
	block, from := m.last[:m.block], i*m.block
	n := 0
	if from < macHeaderLen {
		n = copy(block, header[from:])
	}
	n += copy(block[n:], data[min(len(data), from+n-macHeaderLen):])
	clear(block[n:])
	for ; len(block) > 0; block, from = block[8:], from+8 {
		kept, ended := lanesBefore(length-from), lanesBefore(length-from+1)
		data := binary.LittleEndian.Uint64(block)
		binary.LittleEndian.PutUint64(block, data&kept|0x8080808080808080&(kept^ended))
	}
	var bits [8]byte
	binary.BigEndian.PutUint64(bits[:], uint64(m.block+length)*8) //nolint:gosec // positive
	for j, b := range bits {
		m.last[m.block-len(bits)+j] |= mask(isLast) & b
	}
}

// lanesBefore is 0xff in each byte of a word whose index is less than n, which may be
// anything.
func lanesBefore(n int) uint64 {
	const ones, tops, indices = 0x0101010101010101, 0x8080808080808080, 0x0706050403020100
	before := int64(n)
	before &^= before >> 63                        // at least 0
	before -= (before - 8) &^ ((before - 8) >> 63) // and at most 8
	// A byte keeps its top bit where its index is not less.
	top := ^((indices | tops) - ones*uint64(before)) & tops //nolint:gosec // 0 to 8
	return (top >> 7) * 0xff
}

// mask is 0xff for 1 and 0 for 0.
func mask(bit int) byte { return byte(-bit) } //nolint:gosec // meant

// keep copies src to dst if yes is 1, and takes as long if it is 0. Every digest is of
// words of 4 bytes.
func keep(yes int, dst, src []byte) {
	mask := -uint32(yes) //nolint:gosec // 0 or 1
	for ; len(dst) > 0; dst, src = dst[4:], src[4:] {
		binary.NativeEndian.PutUint32(dst, binary.NativeEndian.Uint32(dst)|mask&binary.NativeEndian.Uint32(src))
	}
}
