package legacytls

import (
	"crypto/subtle"
	"encoding/binary"
)

// maxPadding is the longest padding with its length byte (RFC 5246 section
// 6.2.3.2).
const maxPadding = 256

// openCBC checks the padding and the MAC of a decrypted record, and returns
// the data alone. Whatever is wrong, it takes as long and says no more than
// false: which it was must not be told (RFC 5246 section 6.2.3.2).
func (m *recordMAC) openCBC(header *[macHeaderLen]byte, plain []byte) ([]byte, bool) {
	if len(plain) < m.size+1 {
		return nil, false // the length is no secret
	}
	padding, good := paddingLen(plain, m.size)
	n := len(plain) - m.size - padding
	least := max(0, len(plain)-m.size-maxPadding)
	w := m.work()
	defer w.release()
	want := w.constantTime(header, plain[:len(plain)-m.size-1], n, least)
	got := macAt(&w.window, plain, n, m.size)
	good &= subtle.ConstantTimeCompare(got, want)
	return plain[:n], good == 1
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
