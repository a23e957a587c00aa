package clienthello

import (
	"crypto/md5" //nolint:gosec // what JA3 is made of; nothing is trusted because of it
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
)

// JA3 returns the fingerprint of that name: the MD5, in hexadecimal, of
// client_version, suites, extensions, groups and point formats in the client's
// order, without GREASE. An SSLv2-format hello has only the first two of them.
// It says which software a client is likely to run; it proves nothing.
func (h *Hello) JA3() string {
	b := make([]byte, 0, 512)
	b = strconv.AppendUint(b, uint64(h.Version), 10)
	for _, list := range [][]uint16{h.CipherSuites, h.Extensions, h.Groups} {
		b = appendDecimals(append(b, ','), list)
	}
	b = appendDecimals(append(b, ','), h.PointFormats)
	sum := md5.Sum(b) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

// appendDecimals writes numbers with a dash between them.
func appendDecimals[T uint8 | uint16](b []byte, list []T) []byte {
	for i, n := range list {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	return b
}

// JA4 returns the fingerprint of that name (FoxIO's JA4 TLS client
// fingerprinting): what can be read at a glance, and digests of the sorted
// suites and of the sorted extensions with the signature algorithms. Unlike
// JA3 it stays the same for browsers, which shuffle their extensions.
func (h *Hello) JA4() string {
	name := byte('i')
	if h.HasExtension(extServerName) {
		name = 'd'
	}
	b := append(append(make([]byte, 0, 48), 't'), h.ja4Version()...)
	b = appendTwoDigits(append(b, name), len(h.CipherSuites))
	b = append(appendTwoDigits(b, len(h.Extensions)), h.ja4ALPN()...)
	b = append(append(b, '_'), h.ja4Suites()...)
	return string(append(append(b, '_'), h.ja4Extensions()...))
}

// appendTwoDigits writes a number, or 99 for a larger one.
func appendTwoDigits(b []byte, n int) []byte {
	const digits = "0123456789"
	n = min(n, 99)
	return append(b, digits[n/10], digits[n%10])
}

// ja4Version is the newest version, known or not: GREASE was left out before.
func (h *Hello) ja4Version() string {
	newest := h.Version
	if h.listsVersions() {
		newest = slices.Max(h.SupportedVersions)
	}
	switch newest {
	case versionTLS13, versionTLS12, versionTLS10 + 1, versionTLS10:
		return "1" + strconv.Itoa(int(newest-versionTLS10))
	case versionSSL30:
		return "s3"
	case versionSSL20:
		return "s2"
	}
	return "00"
}

// ja4ALPN is the first and the last letter of the first protocol, or of its
// hexadecimal form if one of them is no letter or digit.
func (h *Hello) ja4ALPN() string {
	if len(h.ALPN) == 0 {
		return "00"
	}
	first := h.ALPN[0]
	if !isAlphanumeric(first[0]) || !isAlphanumeric(first[len(first)-1]) {
		first = hex.EncodeToString([]byte(first))
	}
	return string([]byte{first[0], first[len(first)-1]})
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (h *Hello) ja4Suites() string {
	sorted := slices.Clone(h.CipherSuites)
	slices.Sort(sorted)
	return ja4Digest(appendHex(make([]byte, 0, 512), sorted))
}

// ja4Extensions leaves out server_name and ALPN, which depend on where the
// client goes.
func (h *Hello) ja4Extensions() string {
	if len(h.Extensions) == 0 {
		return ja4Digest(nil)
	}
	steady := slices.DeleteFunc(slices.Clone(h.Extensions), func(t uint16) bool { return t == extServerName || t == extALPN })
	slices.Sort(steady)
	b := appendHex(make([]byte, 0, 512), steady)
	if len(h.SignatureAlgorithms) > 0 {
		b = appendHex(append(b, '_'), h.SignatureAlgorithms)
	}
	return ja4Digest(b)
}

// appendHex writes numbers of four digits with a comma between them.
func appendHex(b []byte, list []uint16) []byte {
	for i, n := range list {
		if i > 0 {
			b = append(b, ',')
		}
		const digits = "0123456789abcdef"
		b = append(b, digits[n>>12], digits[n>>8&0xf], digits[n>>4&0xf], digits[n&0xf])
	}
	return b
}

// ja4Digest is the beginning of a SHA-256; zeros for nothing.
func ja4Digest(text []byte) string {
	if len(text) == 0 {
		return "000000000000"
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}
