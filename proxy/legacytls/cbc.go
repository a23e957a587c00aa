package legacytls

import "crypto/subtle"

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
	want := m.constantTime(header, plain[:len(plain)-m.size-1], n, least)
	got := macAt(plain, n, m.size)
	good &= subtle.ConstantTimeCompare(got, want)
	return plain[:n], good == 1
}

// paddingLen is the length of the padding with its length byte, and 1 if each
// byte of it is right. Where it is not, the length is that of the shortest one,
// so that there is as much left to do.
func paddingLen(plain []byte, macLen int) (n, good int) {
	last := plain[len(plain)-1]
	n = int(last) + 1
	good = subtle.ConstantTimeLessOrEq(n+macLen, len(plain))
	var wrong byte
	for i := range min(maxPadding, len(plain)) {
		inside := byte((i - n) >> 63) //nolint:gosec // the sign as a mask
		wrong |= inside & (plain[len(plain)-1-i] ^ last)
	}
	good &= subtle.ConstantTimeByteEq(wrong, 0)
	return subtle.ConstantTimeSelect(good, n, 1), good
}

// macAt copies the MAC at a secret place: it looks at all places where it can
// be, and turns what it has found into place.
func macAt(plain []byte, at, size int) []byte {
	first := max(0, len(plain)-size-maxPadding)
	mac := make([]byte, size)
	start, slot := 0, 0 // start is where in mac the MAC begins
	for i := first; i < len(plain); i++ {
		begins := subtle.ConstantTimeEq(int32(i), int32(at)) //nolint:gosec // small
		start |= -begins & slot
		inside := byte(((at - 1 - i) & (i - at - size)) >> 63) //nolint:gosec // the sign as a mask
		mac[slot] |= inside & plain[i]
		if slot++; slot == size { // a division would take its time
			slot = 0
		}
	}
	turn(mac, start)
	return mac
}

// turn moves what is at a secret place of b to its beginning, and what was before
// it to its end: by each power of two, or not.
func turn(b []byte, start int) {
	var turned [maxMAC]byte
	for by := 1; by < len(b); by <<= 1 {
		yes := mask(subtle.ConstantTimeEq(int32(start&by), int32(by))) //nolint:gosec // small
		n := copy(turned[:], b[by:])
		copy(turned[n:], b[:by])
		for i := range b {
			b[i] ^= yes & (b[i] ^ turned[i])
		}
	}
}
