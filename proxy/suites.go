package proxy

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/record"
)

// Extensions (RFC 8422 section 5.1 and RFC 5246 section 7.4.1.4.1).
const (
	extGroups     = 10
	extPoints     = 11
	extSignatures = 13
)

// versionSSL30 is SSL 3.0 (RFC 6101).
const versionSSL30 = 0x0300

// The suites in which crypto/tls serves TLS 1.2 with an RSA certificate, listed
// here because it offers the old ones only to those who name them.
var (
	ecdheSuites = []uint16{
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA,
	}
	rsaSuites = []uint16{
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA,
	}
	// The RC4 suites are served only when the operator says so (RFC 7465).
	ecdheRC4Suites = []uint16{tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA}
	rsaRC4Suites   = []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}
)

// An engine is what ends a client's TLS.
type engine uint8

const (
	noEngine     engine = iota
	cryptoEngine        // crypto/tls
	legacyEngine        // proxy/legacytls
)

// engineFor chooses what ends the client's TLS, by the hello alone: legacytls
// for TLS 1.0 and 1.1, and for clients of TLS 1.2 that crypto/tls refuses, as
// those with an SSLv2-format hello, with DHE only or with SHA-1 signatures only;
// crypto/tls for the others.
func engineFor(h *clienthello.Hello, weak legacytls.WeakSuites) engine {
	switch {
	case h.MaxVersion() < tls.VersionTLS10:
		return noEngine
	case h.Offers(tls.VersionTLS13) && overlaps(h.CipherSuites, tls13Suites):
		return cryptoEngine
	case h.Format == clienthello.Record && h.Offers(tls.VersionTLS12) && len(servedSuites(h, weak.RC4)) > 0:
		return cryptoEngine
	case legacySuite(h, weak) != 0:
		return legacyEngine
	}
	return noEngine
}

// legacySuite is the suite in which legacytls serves this client; zero if there
// is none.
func legacySuite(h *clienthello.Hello, weak legacytls.WeakSuites) uint16 {
	return legacytls.Offer{
		Version: min(h.MaxVersion(), tls.VersionTLS12), Suites: h.CipherSuites,
		Groups: h.Groups, HasGroups: h.HasExtension(extGroups),
		Points: h.PointFormats, HasPoints: h.HasExtension(extPoints),
		Signatures: h.SignatureAlgorithms, HasSignatures: h.HasExtension(extSignatures),
	}.Choose(weak)
}

// servedSuites returns the suites to offer a client of TLS 1.2 through
// crypto/tls, those that it can complete a handshake with; empty when there are
// none. TLS 1.3 suites are not among them, since crypto/tls always offers those.
//
// Giving crypto/tls only these matters: it chooses ECDHE from the suites
// alone, and aborts when it then finds that it cannot sign for the client.
func servedSuites(h *clienthello.Hello, rc4 bool) []uint16 {
	all := slices.Clone(rsaSuites)
	if rc4 {
		all = append(all, rsaRC4Suites...)
	}
	if canSignFor(h) {
		all = slices.Concat(ecdheSuites, all)
		if rc4 {
			all = append(all, ecdheRC4Suites...)
		}
	}
	return slices.DeleteFunc(all, func(s uint16) bool { return !slices.Contains(h.CipherSuites, s) })
}

// canSignFor says whether crypto/tls can do ECDHE with a client of TLS 1.2: it
// needs a group in common, an uncompressed point, and since Go 1.25 a SHA-2
// signature.
func canSignFor(h *clienthello.Hello) bool {
	return overlaps(h.Groups, capableGroups) && overlaps(h.SignatureAlgorithms, sha2RSASignatures)
}

// offersAES says whether a client offers any suite with AES. Those that do not
// are of the time of Windows XP.
func offersAES(h *clienthello.Hello) bool {
	return slices.ContainsFunc(h.CipherSuites, func(s uint16) bool { return strings.Contains(suiteName(s), "AES") })
}

// unservable says why the client's TLS cannot be ended here; empty when it
// can be.
func unservable(h *clienthello.Hello, weak legacytls.WeakSuites) record.Reason {
	every := legacytls.WeakSuites{RC4: true, DES: true}
	switch {
	case h.MaxVersion() < versionSSL30:
		return record.ReasonSSL2Only
	case h.MaxVersion() < tls.VersionTLS10:
		return record.ReasonSSL3Only
	case slices.Contains(h.CipherSuites, clienthello.FallbackSCSV) && h.MaxVersion() < tls.VersionTLS12:
		return record.ReasonInappropriateFallback
	case engineFor(h, weak) != noEngine:
		return ""
	case engineFor(h, every) != noEngine:
		return record.ReasonCipherSuiteDisabled
	}
	return record.ReasonNoSharedCipherSuite
}

// describe says what a refused hello offered, for the log, and which setting
// would serve it.
func describe(h *clienthello.Hello, reason record.Reason) error {
	const enough = 64 // a real client offers fewer
	names := make([]string, 0, enough)
	for _, id := range h.CipherSuites[:min(len(h.CipherSuites), enough)] {
		names = append(names, suiteName(id))
	}
	setting := ""
	if reason == record.ReasonCipherSuiteDisabled {
		setting = "; it takes " + settingFor(h)
	}
	return fmt.Errorf("offered %s with %s%s", clienthello.VersionName(h.MaxVersion()), strings.Join(names, ", "), setting)
}

// settingFor is the cipher that would serve a client: the stronger one where
// both would.
func settingFor(h *clienthello.Hello) string {
	if engineFor(h, WeakSuites{RC4: true}) != noEngine {
		return "rc4"
	}
	return "des"
}

// suiteName is a suite's name, or its number where neither engine has it.
func suiteName(id uint16) string {
	if name := legacytls.SuiteName(id); name != "" {
		return name
	}
	return tls.CipherSuiteName(id)
}
