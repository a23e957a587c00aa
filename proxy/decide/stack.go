package decide

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/record"
)

// A Stack is a TLS stack that can end a client's TLS.
type Stack uint8

// The stacks.
const (
	NoStack     Stack = iota
	CryptoStack       // crypto/tls
	LegacyStack       // proxy/legacytls
)

// Extensions (RFC 8422 section 5.1 and RFC 5246 section 7.4.1.4.1).
const (
	extGroups     = 10
	extSignatures = 13
)

// versionSSL30 is SSL 3.0 (RFC 6101).
const versionSSL30 = 0x0300

// stackFor returns what ends the client's TLS, by the hello alone: crypto/tls for
// TLS 1.3, and legacytls for everything older.
func stackFor(h *clienthello.Hello, legacy legacytls.LegacySuites, leafBits int) Stack {
	switch {
	case h.Offers(tls.VersionTLS13) && overlap(h.CipherSuites, tls13Suites):
		return CryptoStack
	case legacySuite(h, legacy, leafBits) != 0:
		return LegacyStack
	}
	return NoStack
}

// LegacyVersion returns the newest version that the client offers of those that
// legacytls serves; zero if there is none.
func LegacyVersion(h *clienthello.Hello) uint16 {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS11, tls.VersionTLS10} {
		if h.Offers(v) {
			return v
		}
	}
	return 0
}

// legacySuite returns a suite in which legacytls can serve this client, with a leaf of
// either kind; zero if there is none.
func legacySuite(h *clienthello.Hello, legacy legacytls.LegacySuites, leafBits int) uint16 {
	if LegacyVersion(h) == 0 {
		return 0
	}
	o := Offer(h)
	o.KeyBits, o.Keys = leafBits, legacytls.RSAKey|legacytls.ECDSAKey
	return o.Choose(legacy)
}

// Offer returns what of a hello decides about the suite in which legacytls serves it.
func Offer(h *clienthello.Hello) legacytls.Offer {
	return legacytls.Offer{
		Version: LegacyVersion(h), Suites: h.CipherSuites,
		Groups: h.Groups, HasGroups: h.HasExtension(extGroups),
		Points:     h.PointFormats,
		Signatures: h.SignatureAlgorithms, HasSignatures: h.HasExtension(extSignatures),
	}
}

var everyLegacySuite = legacytls.LegacySuites{RC4: true, DES: true}

// unservable returns why the client's TLS cannot be ended here; empty when it can
// be.
func unservable(h *clienthello.Hello, legacy legacytls.LegacySuites, leafBits int) record.Reason {
	switch {
	case len(h.SupportedVersions) > 0 && !h.Offers(tls.VersionTLS13) && LegacyVersion(h) == 0:
		return record.ReasonNoSharedVersion
	case h.MaxVersion() < versionSSL30:
		return record.ReasonSSL2Only
	case h.MaxVersion() < tls.VersionTLS10:
		return record.ReasonSSL3Only
	case fallsBack(h) && h.MaxVersion() < tls.VersionTLS12:
		return record.ReasonInappropriateFallback
	case stackFor(h, legacy, leafBits) != NoStack:
		return ""
	case stackFor(h, everyLegacySuite, leafBits) != NoStack:
		return record.ReasonCipherSuiteDisabled
	}
	return record.ReasonNoSharedCipherSuite
}

// fallsBack reports whether a client says that it can speak a newer version than it
// offers, and we serve a newer one (RFC 7507 section 3).
func fallsBack(h *clienthello.Hello) bool { return h.HasFallbackSCSV() && !h.Offers(tls.VersionTLS13) }

// Describe returns what a refused hello offered, for the log, and which setting
// would serve it.
func Describe(h *clienthello.Hello, reason record.Reason) error {
	const enough = 64 // a real client offers fewer
	names := make([]string, 0, enough)
	for _, id := range h.CipherSuites[:min(len(h.CipherSuites), enough)] {
		names = append(names, SuiteName(id))
	}
	setting := ""
	switch {
	case reason == record.ReasonCipherSuiteDisabled:
		setting = "; it needs " + settingFor(h)
	case reason == record.ReasonNoSharedCipherSuite && stackFor(h, everyLegacySuite, 0) != NoStack:
		setting = "; the key of its leaf is too short for the signatures that it can check"
	}
	return fmt.Errorf("offered %s with %s%s", clienthello.VersionName(h.MaxVersion()), strings.Join(names, ", "), setting)
}

// settingFor returns the cipher that would serve a client: the stronger one where
// both would.
func settingFor(h *clienthello.Hello) string {
	if stackFor(h, legacytls.LegacySuites{RC4: true}, 0) != NoStack {
		return "rc4"
	}
	return "des"
}

// SuiteName returns a suite's name, or its number where neither stack has it.
func SuiteName(id uint16) string {
	if name := legacytls.SuiteName(id); name != "" {
		return name
	}
	if name, known := suiteNames()[id]; known {
		return name
	}
	return tls.CipherSuiteName(id)
}

// suiteNames returns the names of the suites of crypto/tls, which makes its lists anew for
// each name.
var suiteNames = sync.OnceValue(func() map[uint16]string {
	names := map[uint16]string{}
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		names[s.ID] = s.Name
	}
	return names
})
