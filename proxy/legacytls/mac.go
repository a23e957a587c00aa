package legacytls

import (
	"crypto/subtle"
	"encoding"
	"encoding/binary"
	"hash"
	"math/bits"
	"sync"
)

// A macHash is a hash that HMACs are computed by (RFC 2104).
type macHash struct {
	new   func() hash.Hash
	size  int
	block int
	shift int // of which power of two a block has the size
	tail  int // what the hash puts after its input at least: 0x80, and its length
	// begun is a marshalled state after one block, without the words, which are at
	// begun[stateHead:wordsEnd].
	begun    []byte
	wordsEnd int
	works    sync.Pool // of *macWork
}

const (
	macHeaderLen = 13  // sequence number, type, version and length
	maxMAC       = 48  // of SHA-384
	maxBlock     = 128 // of SHA-384; of MD5, SHA-1 and SHA-256, 64
	maxWords     = 64  // of SHA-384
	stateHead    = 4   // a marshalled state begins with 4 bytes to know it by
	stateTail    = 8   // and ends with how much the hash has had, after the beginning of a block
)

func newMACHash(newHash func() hash.Hash) *macHash {
	work := newHash().(marshaler)
	m := &macHash{new: newHash, size: work.Size(), block: work.BlockSize()}
	m.shift = bits.TrailingZeros(uint(m.block))
	m.tail = 1 + m.block/8
	work.Write(make([]byte, m.block))
	m.begun = marshal(work, nil)
	m.wordsEnd = len(m.begun) - m.block - stateTail
	clear(m.begun[stateHead:m.wordsEnd])
	m.works.New = func() any { // with room for a state: one that grows leaves parts of it behind
		return &macWork{hash: newHash().(marshaler), state: make([]byte, 0, len(m.begun))}
	}
	return m
}

// A marshaler is a hash whose state can be taken and set. All hashes of crypto are, and none
// fails.
type marshaler interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// marshal appends the state of a hash.
func marshal(h marshaler, b []byte) []byte {
	b, err := h.AppendBinary(b)
	if err != nil {
		panic("legacytls: " + err.Error())
	}
	return b
}

// A recordMAC is the HMAC of records (RFC 5246 section 6.2.3.1). It holds no more than what
// follows from the key: an idle connection has two of them.
type recordMAC struct {
	*macHash
	inner, outer [maxWords]byte // of the hash, after the block of each pad
}

func newRecordMAC(hash *macHash, key []byte) *recordMAC {
	w := hash.keyed(key)
	defer w.release()
	m := w.own
	return &m
}

// keyed returns what computes HMACs with a key. The caller releases it.
func (h *macHash) keyed(key []byte) *macWork {
	w := h.works.Get().(*macWork)
	w.own.macHash, w.recordMAC = h, &w.own
	if len(key) > h.block {
		w.hash.Reset()
		w.hash.Write(key)
		key = w.hash.Sum(w.digest[:0])
	}
	w.afterPad(&w.own.inner, key, 0x36)
	w.afterPad(&w.own.outer, key, 0x5c)
	return w
}

// sum appends the MAC of a record whose length is no secret.
func (m *recordMAC) sum(b []byte, header *[macHeaderLen]byte, data []byte) []byte {
	w := m.begin(header)
	defer w.release()
	w.hash.Write(data)
	return w.sum(b)
}

// isRight reports whether got is the MAC of a record whose length is no secret.
func (m *recordMAC) isRight(got []byte, header *[macHeaderLen]byte, data []byte) bool {
	w := m.begin(header)
	defer w.release()
	w.hash.Write(data)
	return equal(w.sum(w.digest[:0]), got)
}

// begin returns what has computed what the MAC of a record begins with; the data is to be
// written to its hash. The caller releases it.
func (m *recordMAC) begin(header *[macHeaderLen]byte) *macWork {
	w := m.work()
	w.restore(&m.inner)
	w.hash.Write(header[:])
	return w
}

// work returns what computes MACs.
func (m *recordMAC) work() *macWork {
	w := m.works.Get().(*macWork)
	w.recordMAC = m
	return w
}

// A macWork is what a MAC needs while it is computed. It belongs to one goroutine.
type macWork struct {
	*recordMAC
	own    recordMAC // of keyed
	hash   marshaler
	state  []byte
	last   [maxBlock]byte
	digest [maxMAC]byte
	room   [2 * maxMAC]byte // of expand
	window window
}

// release gives it back, wiped: it goes to another connection.
func (w *macWork) release() {
	w.restore(&[maxWords]byte{}) // and nothing of a block
	clear(w.state)
	clear(w.last[:])
	clear(w.digest[:])
	clear(w.room[:])
	clear(w.window[:])
	pool := &w.works
	w.recordMAC, w.own = nil, recordMAC{}
	pool.Put(w)
}

// afterPad makes words those of the hash after the first block of HMAC (RFC 2104).
func (w *macWork) afterPad(words *[maxWords]byte, key []byte, pad byte) {
	block := w.last[:w.block]
	clear(block[copy(block, key):])
	for i := range block {
		block[i] ^= pad
	}
	w.hash.Reset()
	w.hash.Write(block)
	copy(words[:], w.marshal())
}

// marshal returns the words of the hash, and then something else. They are good until the
// next time.
func (w *macWork) marshal() []byte {
	w.state = marshal(w.hash, w.state[:0])
	return w.state[stateHead:w.wordsEnd]
}

// restore makes the hash one that has had a block.
func (w *macWork) restore(words *[maxWords]byte) {
	w.state = append(w.state[:0], w.begun...)
	copy(w.state[stateHead:w.wordsEnd], words[:])
	if err := w.hash.UnmarshalBinary(w.state); err != nil {
		panic("legacytls: " + err.Error())
	}
}

// hmac appends the HMAC of some parts.
func (w *macWork) hmac(b []byte, parts ...[]byte) []byte {
	w.restore(&w.inner)
	for _, part := range parts {
		w.hash.Write(part)
	}
	return w.sum(b)
}

// sum appends the MAC of what the hash has had.
func (w *macWork) sum(b []byte) []byte {
	digest := w.hash.Sum(w.digest[:0])
	w.restore(&w.outer)
	w.hash.Write(digest)
	return w.hash.Sum(b)
}

// What follows computes the MAC of data[:n], in a time and with accesses to memory that
// depend on len(data) alone, while n is a secret: otherwise the time would tell how much
// padding an attacker's record has (Lucky Thirteen). N is at least as much as the first blocks
// of the hash's input hold, and at most len(data). The last block is somewhere among the
// rest; all of those are computed, and one is kept.

// fullBlocks is how many blocks of the hash's input are full with so much data.
func (h *macHash) fullBlocks(data int) int { return (macHeaderLen + data) / h.block }

// dataOf is how much data the first blocks hold.
func (h *macHash) dataOf(blocks int) int { return max(0, blocks*h.block-macHeaderLen) }

// beginConstantTime begins it. The hash is to get dataOf(first) bytes of data next.
func (w *macWork) beginConstantTime(header *[macHeaderLen]byte, n, first int) {
	binary.BigEndian.PutUint16(header[macHeaderLen-2:], uint16(n)) //nolint:gosec // at most the length of a record
	w.restore(&w.inner)
	if first > 0 {
		w.hash.Write(header[:])
	}
}

// endConstantTime returns the MAC. It is good until the next one.
func (w *macWork) endConstantTime(header *[macHeaderLen]byte, data []byte, n, first int) []byte {
	digest := w.digest[:w.size]
	clear(digest)
	length := macHeaderLen + n
	last := (length + w.tail - 1) >> w.shift // a division takes as long as the numbers are large
	blocks := (macHeaderLen + len(data) + w.tail + w.block - 1) / w.block
	for i := first; i < blocks; i++ {
		isLast := subtle.ConstantTimeEq(int32(i), int32(last)) //nolint:gosec // small
		w.lastBlock(header, data, i, length, isLast)
		w.hash.Write(w.last[:w.block])
		keep(isLast, digest, w.marshal())
	}
	w.restore(&w.outer)
	w.hash.Write(digest)
	return w.hash.Sum(w.digest[:0])
}

// lastBlock makes last the i-th block of the hash's input as if the length were known:
// data up to length, then 0x80, then zeros, and in the last one the length in
// bits, which counts the block of the pad.
func (w *macWork) lastBlock(header *[macHeaderLen]byte, data []byte, i, length, isLast int) {
	block, from := w.last[:w.block], i*w.block
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
	binary.BigEndian.PutUint64(bits[:], uint64(w.block+length)*8) //nolint:gosec // positive
	for j, b := range bits {
		w.last[w.block-len(bits)+j] |= mask(isLast) & b
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
