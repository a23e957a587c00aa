package clienthello

import (
	"crypto/sha256"
	"fmt"
	"slices"
)

// FingerprintKey returns a digest of what a client's software decides about its hello:
// format, versions, suites, extension types, groups, signature algorithms,
// point formats and ALPN. Connections from one program have one key, however
// often it connects and wherever to; it is no proof of who the client is.
//
// The order of extensions does not count, since browsers shuffle them. Types
// that come and go from one connection to the next are left out: server_name
// (not sent to an address), padding (depends on the name's length), and those
// of resumption and retry in TLS 1.3.
func (h *Hello) FingerprintKey() [16]byte {
	text := fmt.Appendf(nil, "%v %t %x %x %x %x %x %x %x %q",
		h.Format, h.HasSSL2Ciphers, h.Version, h.SupportedVersions, h.CipherSuites,
		h.steadyExtensions(), h.Groups, h.SignatureAlgorithms, h.PointFormats, h.ALPN)
	sum := sha256.Sum256(text)
	return [16]byte(sum[:])
}

// steadyExtensions returns, sorted, the types that every hello of one program
// has.
func (h *Hello) steadyExtensions() []uint16 {
	steady := slices.DeleteFunc(slices.Clone(h.Extensions), func(t uint16) bool {
		switch t {
		case extServerName, extPadding, extPreSharedKey, extEarlyData, extCookie:
			return true
		}
		return false
	})
	slices.Sort(steady)
	return steady
}
