// Package clienthello looks at a TLS ClientHello without consuming it: one
// carried by TLS records, however fragmented, or one in SSLv2 format. It never
// waits for a byte that the client has not announced, and it never judges a
// hello: what an odd client offers is reported, and whether that is good
// enough is the caller's business.
//
// # What is malformed
//
// The lengths must add up: a field that ends beyond what holds it, bytes left
// over, also after the hello in its record, half a number in a list. A reader that
// let those through would see another hello than the server that answers it. For
// the same reason an extension that is read here may come only once.
//
// What real devices get wrong without such harm is let through: half a signature
// algorithm, any record version since SSL 3.0, a session id of more than 32 bytes,
// empty lists, unknown extensions even twice, no extensions at all. A server name
// may be anything; one that makes no sense, or comes twice, counts as none.
package clienthello

import (
	"fmt"
	"slices"
)

// Limits on a hello. What real ones are, even with large tickets and keys, is far below.
const (
	// MaxSize is the most bytes of the stream that one may take, record headers
	// included.
	MaxSize = maxMessage + 4<<10
	// maxMessage is the most that the message may have, which is that of crypto/tls.
	maxMessage = 64 << 10
	// maxSSLv2 is the most that one in SSLv2 format may have.
	maxSSLv2 = 4 << 10
)

// FallbackSCSV is no suite: see HasFallbackSCSV.
const FallbackSCSV uint16 = 0x5600

const (
	versionSSL20 = 0x0002
	versionSSL30 = 0x0300
	versionTLS10 = 0x0301
	versionTLS12 = 0x0303
	versionTLS13 = 0x0304
)

// The extensions that are read, and some that FingerprintKey treats in another way.
const (
	extServerName          = 0
	extGroups              = 10
	extPointFormats        = 11
	extSignatureAlgorithms = 13
	extALPN                = 16
	extPadding             = 21
	extPreSharedKey        = 41
	extEarlyData           = 42
	extSupportedVersions   = 43
	extCookie              = 44
	extCertSignatures      = 50 // signature_algorithms_cert (RFC 8446 section 4.2.3)
)

// A Format is how a hello is written.
type Format uint8

// The formats.
const (
	// Record is a handshake message in TLS records.
	Record Format = iota
	// SSLv2 is the format of SSL 2.0, in which clients made before about 2012
	// also ask for SSL 3.0 and TLS (RFC 5246 appendix E.2).
	SSLv2
)

// String returns "record" or "SSLv2".
func (f Format) String() string {
	switch f {
	case Record:
		return "record"
	case SSLv2:
		return "SSLv2"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// A Hello is what a client offers. It holds no reference to the reader's
// buffer.
//
// All lists are in the client's order. GREASE (RFC 8701), which clients put in
// at random, is left out of all of them.
type Hello struct {
	Format Format
	// Length is how many bytes of the stream the hello takes, headers
	// included.
	Length int
	// RecordVersion is the first record's; 0 in SSLv2 format. It says nothing
	// about what the client speaks.
	RecordVersion uint16
	// Version is client_version, since TLS 1.3 called legacy_version.
	Version uint16
	// SupportedVersions is nil when the extension is absent, else it has at
	// least one version.
	SupportedVersions []uint16
	// CipherSuites has the SCSVs too. Of an SSLv2-format hello it has the
	// specs whose first byte is 0, without that byte.
	CipherSuites []uint16
	// HasSSL2Ciphers says that an SSLv2-format hello has other specs: those
	// of SSL 2.0. Their presence does not mean that the client speaks it.
	HasSSL2Ciphers bool
	// CompressionMethods is nil in SSLv2 format, which has none and means the
	// null method.
	CompressionMethods []byte
	// ServerName is the host name as sent: any bytes, up to 255. It is empty
	// when there is none, and also when there is an extension that names no
	// host, several, or makes no sense; HasExtension(0) distinguishes these.
	ServerName string
	// ALPN has no empty names.
	ALPN []string
	// SignatureAlgorithms is nil when the extension is absent.
	SignatureAlgorithms []uint16
	// CertSignatures is signature_algorithms_cert, those of certificates alone; nil when
	// the extension is absent or makes no sense. HasExtension(50) distinguishes these.
	CertSignatures []uint16
	// Groups is supported_groups, in old clients called elliptic_curves; nil
	// when the extension is absent.
	Groups []uint16
	// PointFormats is nil when the extension is absent.
	PointFormats []byte
	// Extensions are the types of all extensions.
	Extensions []uint16

	size int      // of the body
	key  [16]byte // see FingerprintKey
	// hasTicket says that the hello names an earlier session. A session ID may do so too;
	// many clients send one that is random.
	hasTicket, hasSessionID bool
}

// HasExtension reports whether the hello has an extension of type t.
func (h *Hello) HasExtension(t uint16) bool { return slices.Contains(h.Extensions, t) }

// HasFallbackSCSV reports whether the client says that it has failed with a newer
// version before (RFC 7507).
func (h *Hello) HasFallbackSCSV() bool { return slices.Contains(h.CipherSuites, FallbackSCSV) }

// MaxVersion returns the newest version that is offered. 0x0300 is SSL 3.0,
// and 0x0002 is SSL 2.0. Versions that are not known, such as drafts, count
// only when nothing else is offered.
func (h *Hello) MaxVersion() uint16 {
	if !h.listsVersions() {
		// A newer version than TLS 1.2 means TLS 1.2 here (RFC 8446
		// section 4.2.1).
		return min(h.Version, versionTLS12)
	}
	var known uint16
	for _, v := range h.SupportedVersions {
		if v >= versionSSL30 && v <= versionTLS13 {
			known = max(known, v)
		}
	}
	if known != 0 {
		return known
	}
	return slices.Max(h.SupportedVersions)
}

// Offers reports whether the client offers a version. A client without
// supported_versions names only its newest; it is taken to speak every version
// of TLS up to that one, but no SSL unless that is all it names.
func (h *Hello) Offers(version uint16) bool {
	if h.listsVersions() {
		return slices.Contains(h.SupportedVersions, version)
	}
	newest := h.MaxVersion()
	return version == newest || version >= versionTLS10 && version < newest
}

// listsVersions reports whether the client lists its versions. If it does, Version
// does not count, whatever it says (RFC 8446 section 4.2.1).
func (h *Hello) listsVersions() bool { return len(h.SupportedVersions) > 0 }

// VersionName returns "SSL 2.0", "SSL 3.0", "TLS 1.0" and so on; of a version
// that has no name, its number as in "0x0505".
func VersionName(v uint16) string {
	switch {
	case v == versionSSL20:
		return "SSL 2.0"
	case v == versionSSL30:
		return "SSL 3.0"
	case v >= versionTLS10 && v <= versionTLS13:
		return [...]string{"TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"}[v-versionTLS10]
	}
	return fmt.Sprintf("0x%04x", v)
}

// isGREASE reports the sixteen reserved values 0x0a0a, 0x1a1a … 0xfafa
// (RFC 8701 section 2).
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }
