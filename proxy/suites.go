package proxy

import (
	"crypto/tls"
	"slices"

	"github.com/tlslift/tlslift/proxy/clienthello"
)

// extGroups is the supported_groups extension (RFC 8446 section 4.2.7; in old
// clients elliptic_curves, RFC 4492).
const extGroups = 10

// versionSSL30 is SSL 3.0 (RFC 6101).
const versionSSL30 = 0x0300

// Every suite that crypto/tls can serve with an RSA certificate, listed here
// because it offers the old ones only to those who name them.
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

	// tls12Suites do not exist below TLS 1.2.
	tls12Suites = []uint16{
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
	}
)

// servedSuites returns the suites to offer this client, those that crypto/tls
// can complete a handshake with; empty when there are none. TLS 1.3 suites
// are not among them, since crypto/tls always offers those.
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
	old := !h.Offers(tls.VersionTLS12)
	return slices.DeleteFunc(all, func(s uint16) bool {
		return !slices.Contains(h.CipherSuites, s) || old && slices.Contains(tls12Suites, s)
	})
}

// canSignFor says whether crypto/tls can do ECDHE with this client: it needs
// a group in common, and since Go 1.25 a SHA-2 signature at TLS 1.2.
func canSignFor(h *clienthello.Hello) bool {
	if !overlaps(h.Groups, capableGroups) {
		return false
	}
	return !h.Offers(tls.VersionTLS12) || overlaps(h.SignatureAlgorithms, sha2RSASignatures)
}

// unservable says why the client's TLS cannot be ended here; empty when it
// can be.
func unservable(h *clienthello.Hello, rc4 bool) Reason {
	switch {
	case h.MaxVersion() < versionSSL30:
		return ReasonSSL2Only
	case h.MaxVersion() < tls.VersionTLS10:
		return ReasonSSL3Only
	case h.Format == clienthello.SSLv2:
		return ReasonSSLv2Hello
	case slices.Contains(h.CipherSuites, clienthello.FallbackSCSV) && h.MaxVersion() < tls.VersionTLS12:
		return ReasonInappropriateFallback
	case h.Offers(tls.VersionTLS13) && overlaps(h.CipherSuites, tls13Suites):
		return ""
	case len(servedSuites(h, rc4)) > 0:
		return ""
	case len(servedSuites(h, true)) > 0:
		return ReasonCipherSuiteDisabled
	}
	return ReasonNoSharedCipherSuite
}
