package legacytls

import (
	"crypto/subtle"
	"encoding/binary"
	"hash"
)

// maxPadding is the longest padding with its length byte (RFC 5246 section
// 6.2.3.2).
const maxPadding = 256

// An opening is a record whose padding and MAC are checked. Whatever is wrong, it takes as
// long and says no more than false: which it was must not be told (RFC 5246 section
// 6.2.3.2).
type opening struct {
	*macWork // from begin to end

	mac    *recordMAC
	header *[macHeaderLen]byte
	plain  []byte // data, MAC and padding
	first  int    // blocks of the hash that are full whatever the padding is
	n      int    // the data, from begin on
	good   int    // 1 if the padding is right, from begin on
}

// opening returns how a record is opened that is decrypted into plain, or will be. It
// reports false if there is no room for a MAC: the length is no secret.
func (m *recordMAC) opening(header *[macHeaderLen]byte, plain []byte) (opening, bool) {
	least := max(0, len(plain)-m.size-maxPadding)
	return opening{mac: m, header: header, plain: plain, first: m.fullBlocks(least)}, len(plain) > m.size
}

// known is how many bytes of data are hashed whatever the padding is. The padding is after
// these.
func (o *opening) known() int { return o.mac.dataOf(o.first) }

// begin looks at the padding. It returns the hash that is to get what is known next; what
// is after that has to be decrypted already.
func (o *opening) begin() (h hash.Hash, known int) {
	var padding int
	padding, o.good = paddingLen(o.plain, o.mac.size)
	o.n = len(o.plain) - o.mac.size - padding
	o.macWork = o.mac.work()
	o.beginConstantTime(o.header, o.n, o.first)
	return o.hash, o.known()
}

// end returns the data, and whether padding and MAC are right.
func (o *opening) end() ([]byte, bool) {
	defer o.release()
	want := o.endConstantTime(o.header, o.plain[:len(o.plain)-o.size-1], o.n, o.first)
	got := macAt(&o.window, o.plain, o.n, o.size)
	good := o.good & subtle.ConstantTimeCompare(got, want)
	return o.plain[:o.n], good == 1
}

// openCBC opens a record that is decrypted already.
func (m *recordMAC) openCBC(header *[macHeaderLen]byte, plain []byte) ([]byte, bool) {
	o, ok := m.opening(header, plain)
	if !ok {
		return nil, false
	}
	h, known := o.begin()
	h.Write(plain[:known])
	return o.end()
}

// paddingLen is the length of the padding with its length byte, and 1 if each
// byte of it is right. Where it is not, the length is that of the shortest one,
// so that there is as much left to do. It looks at words, from the end of the record or
// of the longest padding.
func paddingLen(plain []byte, macLen int) (n, good int) {
	last := plain[len(plain)-1]
	n = int(last) + 1
	good = subtle.ConstantTimeLessOrEq(n+macLen, len(plain))
	var end [maxPadding]byte
	tail := plain[max(0, len(plain)-maxPadding):]
	copy(end[maxPadding-len(tail):], tail)
	wrong, right := uint64(0), uint64(last)*0x0101010101010101
	for i := (maxPadding - len(tail)) / 8 * 8; i < maxPadding; i += 8 { // a longer padding is wrong already
		wrong |= (binary.LittleEndian.Uint64(end[i:]) ^ right) &^ lanesBefore(maxPadding-n-i)
	}
	good &= subtle.ConstantTimeEq(int32(wrong|wrong>>32), 0) //nolint:gosec // both halves
	return subtle.ConstantTimeSelect(good, n, 1), good
}

// A window is where a MAC can be, and room for what shift reads beyond.
type window [maxPadding + maxMAC + 8]byte

// macAt copies the MAC at a secret place to the beginning of w: it takes all places
// where it can be, and moves them to the left by each power of two, or not.
func macAt(w *window, plain []byte, at, size int) []byte {
	first := max(0, len(plain)-size-maxPadding)
	clear(w[copy(w[:], plain[first:]):])
	left, most := at-first, len(plain)-size-first // less than most, which is no secret
	for by := maxPadding / 2; by > 0; by >>= 1 {
		if by >= most {
			continue
		}
		w.shift(by, by+size, subtle.ConstantTimeEq(int32(left&by), int32(by))) //nolint:gosec // small
	}
	return w[:size]
}

// shift moves what will be needed, n bytes, to the left if yes is 1, and takes as long if
// it is 0.
func (w *window) shift(by, n, yes int) {
	mask := -uint64(yes) //nolint:gosec // 0 or 1
	for i := 0; i < n; i += 8 {
		here, there := binary.NativeEndian.Uint64(w[i:]), binary.NativeEndian.Uint64(w[i+by:])
		binary.NativeEndian.PutUint64(w[i:], here^mask&(here^there))
	}
}
