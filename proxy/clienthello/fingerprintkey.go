package clienthello

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Extensions whose content, or a part of it, is random (RFC 5077, RFC 8446, RFC 9849).
const (
	extSessionTicket = 35
	extKeyShare      = 51
	extECH           = 0xfe0d
)

// maxSessionID is the longest session ID that there can be (RFC 5246 section 7.4.1.2).
const maxSessionID = 32

// Alerts that may be about what is random in a hello (RFC 8446 section 6.2).
const (
	alertIllegalParameter = 47
	alertDecryptError     = 51
)

// FingerprintKey returns a digest of the whole hello less what is random or stands for an
// earlier session: the random value, session IDs, tickets, pre-shared keys, shares of
// keys, the names of GREASE. Servers judge all that have the same key alike, unless it is
// for such a value: see RefusalCounts. It is no proof of who the client is.
//
// The order of extensions does not count, since browsers shuffle them, and neither does
// padding with zeros, which depends on what was left out.
func (h *Hello) FingerprintKey() [16]byte {
	s := newSteady()
	s.add(h.key[:])
	// How long the headers of its records are: some servers read one record only.
	s.add(binary.BigEndian.AppendUint32(nil, uint32(h.Length-h.size))) //nolint:gosec // of a hello
	return s.key()
}

// RefusalCounts reports whether a destination that refuses the hello with an alert would
// refuse all that have its key: it may refuse a session that it knows, and a share of a
// key that is none.
func (h *Hello) RefusalCounts(alert uint8) bool {
	switch alert {
	case alertIllegalParameter, alertDecodeError, alertDecryptError:
		return !h.hasTicket && !h.hasSessionID && !h.HasExtension(extKeyShare) && !h.HasExtension(extECH)
	}
	return !h.hasTicket
}

// A steady collects the parts of a hello that are not random.
type steady struct{ text []byte }

// newSteady returns one with room for a usual hello.
func newSteady() steady { return steady{make([]byte, 0, 512)} }

// add adds a part with its length, so that parts cannot run together.
func (s *steady) add(part []byte) {
	s.text = binary.BigEndian.AppendUint32(s.text, uint32(len(part))) //nolint:gosec // a part of a hello
	s.text = append(s.text, part...)
}

func (s *steady) key() [16]byte {
	sum := sha256.Sum256(s.text)
	return [16]byte(sum[:])
}

// keyOf returns the key of a hello whose body has been parsed.
func keyOf(body []byte, recordVersion uint16) [16]byte {
	f := fields{rest: body}
	s := newSteady()
	s.add(append(binary.BigEndian.AppendUint16(nil, recordVersion), f.take(2)...))
	f.take(randomLen)
	s.add([]byte{byte(max(len(f.vector8()), maxSessionID))}) //nolint:gosec // of one byte
	parts := appendWithoutGREASE(make([]byte, 0, 512), f.vector16(), 0)
	s.add(parts)
	s.add(f.vector8())
	s.add([]byte{byte(min(len(f.rest), 1))}) // empty extensions are not none
	extensions := fields{rest: f.vector16()}
	all := make([][]byte, 0, 32)
	for len(extensions.rest) > 0 {
		t, data := extensions.uint16(), extensions.vector16()
		begin := len(parts)
		parts = binary.BigEndian.AppendUint16(parts, t)
		var counts bool
		if parts, counts = appendSteady(parts, t, data); counts {
			all = append(all, parts[begin:])
		}
	}
	slices.SortFunc(all, bytes.Compare)
	for _, one := range all {
		s.add(one)
	}
	return s.key()
}

// appendSteady adds to p what counts of an extension, and reports whether it counts at all.
func appendSteady(p []byte, t uint16, data []byte) (with []byte, counts bool) {
	switch t {
	case extGroups, extSignatureAlgorithms:
		return appendWithoutGREASE(p, data, 2), true
	case extSupportedVersions:
		return appendWithoutGREASE(p, data, 1), true
	case extALPN, extServerName:
		return append(p, data...), true
	case extKeyShare:
		return appendShares(p, data), true
	case extPreSharedKey, extEarlyData:
		return p, false
	case extSessionTicket, extCookie:
		return p, true // that it is there counts
	case extECH:
		return append(p, data[:min(len(data), 1)]...), true
	case extPadding:
		return append(p, data...), len(bytes.Trim(data, "\x00")) > 0
	}
	return append(p, data...), !isGREASE(t)
}

// appendWithoutGREASE adds to p a list of numbers after so many bytes of its length, in
// which all of GREASE are the same.
func appendWithoutGREASE(p, list []byte, after int) []byte {
	begin := len(p)
	p = append(p, list...)
	for i := begin + after; i+2 <= len(p); i += 2 {
		if isGREASE(binary.BigEndian.Uint16(p[i:])) {
			p[i], p[i+1] = 0x0a, 0x0a
		}
	}
	return p
}

// appendShares adds to p the groups of the shares and how long these are. What is not
// well-formed counts as it is.
func appendShares(p, data []byte) []byte {
	outer := fields{rest: data}
	shares := fields{rest: outer.vector16()}
	with := append(p, 1)
	for len(shares.rest) > 0 {
		group, share := shares.uint16(), shares.vector16()
		if isGREASE(group) {
			group = 0x0a0a
		}
		with = binary.BigEndian.AppendUint16(with, group)
		with = binary.BigEndian.AppendUint16(with, uint16(len(share))) //nolint:gosec // its length has two bytes
	}
	if !outer.done() || !shares.done() {
		return append(append(p, 0), data...)
	}
	return with
}

// keyOfSSLv2 returns the key of a hello in SSLv2 format whose lengths are right.
func keyOfSSLv2(body []byte) [16]byte {
	specs := int(binary.BigEndian.Uint16(body[3:]))
	s := newSteady()
	s.add([]byte("SSLv2"))
	s.add(body[:sslv2FixedLen+specs])
	return s.key()
}
