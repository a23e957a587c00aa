package decide

import (
	"crypto/tls"
	"testing"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/record"
)

// Suites that only this table names.
const (
	ecdheRSAAES128GCM = tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	ecdheRSAAES128CBC = tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
	ecdheECDSAGCM     = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	rsaAES128GCM      = tls.TLS_RSA_WITH_AES_128_GCM_SHA256
	rsaAES128CBC      = tls.TLS_RSA_WITH_AES_128_CBC_SHA
	rsa3DES           = tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA
	rsaRC4            = tls.TLS_RSA_WITH_RC4_128_SHA
	dheAES128CBC      = 0x0033
	dheAES128GCM      = 0x009e
	rsaDES            = 0x0009
	fallback          = clienthello.FallbackSCSV
	tls13AES128       = tls.TLS_AES_128_GCM_SHA256

	rsaSHA1   = 0x0201
	rsaSHA256 = 0x0401
	pssSHA256 = 0x0804
	pssSHA384 = 0x0805
	pssSHA512 = 0x0806
	ecdsa256  = 0x0403

	p256, p384, x25519, secp224r1 = 23, 24, 29, 21
)

func hello(version uint16, suites ...uint16) *clienthello.Hello {
	return &clienthello.Hello{Format: clienthello.Record, Version: version, CipherSuites: suites}
}

func withGroups(h *clienthello.Hello, groups ...uint16) *clienthello.Hello {
	h.Groups = groups
	h.Extensions = append(h.Extensions, extGroups)
	return h
}

func withSignatures(h *clienthello.Hello, schemes ...uint16) *clienthello.Hello {
	h.SignatureAlgorithms = schemes
	h.Extensions = append(h.Extensions, 13)
	return h
}

func withPoints(h *clienthello.Hello, formats ...byte) *clienthello.Hello {
	h.PointFormats = formats
	h.Extensions = append(h.Extensions, 11)
	return h
}

func with13(h *clienthello.Hello, versions ...uint16) *clienthello.Hello {
	h.SupportedVersions = versions
	h.Extensions = append(h.Extensions, 43)
	return h
}

func sslv2(h *clienthello.Hello) *clienthello.Hello {
	h.Format = clienthello.SSLv2
	return h
}

// modern12 is a TLS 1.2 hello of about 2015.
func modern12(suites ...uint16) *clienthello.Hello {
	return withSignatures(withGroups(hello(tls.VersionTLS12, suites...), x25519, p256), rsaSHA256, rsaSHA1)
}

// TestDecide is the product's specification: which clients are passed, lifted
// and refused.
func TestDecide(t *testing.T) {
	t.Parallel()
	pass := func(rule record.Rule) Decision { return Decision{Action: Pass, Rule: rule} }
	lift := func(rule record.Rule) Decision { return Decision{Action: Lift, Rule: rule} }
	refuse := func(rule record.Rule, r record.Reason) Decision {
		return Decision{Action: Refuse, Rule: rule, Reason: r}
	}
	const old, v11, v12 = tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12
	rc4 := Circumstance{Legacy: legacytls.LegacySuites{RC4: true}}
	des := Circumstance{Legacy: legacytls.LegacySuites{DES: true}}
	before := Circumstance{RefusedBefore: true}
	shortLeaf := Circumstance{LeafBits: 1024}
	otherBefore := Circumstance{OtherRefusedBefore: true}
	differs := Circumstance{TLSModeMismatch: true}

	// Nothing can serve what names TLS 1.3 alone and has no suite of it.
	only13 := with13(modern12(ecdheRSAAES128GCM), tls.VersionTLS13)

	for _, tt := range []struct {
		name string
		h    *clienthello.Hello
		c    Circumstance
		want Decision
	}{
		// Capable of Microsoft 365 by themselves.
		{"TLS 1.2, ECDHE AES-GCM", modern12(ecdheRSAAES128GCM), Circumstance{}, pass("capable")},
		{"TLS 1.2, ECDHE AES-256-GCM", modern12(tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384), Circumstance{}, pass("capable")},
		{"TLS 1.2, ECDHE AES-CBC SHA-256", modern12(tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256), Circumstance{}, pass("capable")},
		{"TLS 1.2, ECDHE AES-CBC SHA-384", modern12(suiteECDHERSAAES256CBCSHA384), Circumstance{}, pass("capable")},
		{"TLS 1.2, PSS signatures only", withSignatures(withGroups(hello(v12, ecdheRSAAES128GCM), p256), pssSHA256), Circumstance{},
			pass("capable")},
		{"TLS 1.2, good suite last of many", modern12(rsa3DES, rsaAES128CBC, dheAES128GCM, ecdheRSAAES128GCM), Circumstance{}, pass("capable")},
		{"TLS 1.2, ECDHE without a groups extension: the destination decides", withSignatures(hello(v12, ecdheRSAAES128GCM), rsaSHA256),
			Circumstance{}, pass("capable")},
		{"TLS 1.3 and 1.2", with13(modern12(tls13AES128, ecdheRSAAES128GCM), tls.VersionTLS13, v12), Circumstance{}, pass("capable")},
		{"TLS 1.3 only", with13(withGroups(hello(v12, tls13AES128), x25519), tls.VersionTLS13), Circumstance{}, pass("capable")},

		// Too old a version.
		{"TLS 1.0, ECDHE", withGroups(hello(old, ecdheRSAAES128CBC, rsaAES128CBC), p256), Circumstance{}, lift("tls_version")},
		{"TLS 1.0, RSA key exchange, no extensions", hello(old, rsaAES128CBC), Circumstance{}, lift("tls_version")},
		{"TLS 1.0, 3DES only (Windows XP)", hello(old, rsaRC4, rsa3DES, rsaDES), Circumstance{}, lift("tls_version")},
		{"TLS 1.1", hello(v11, rsaAES128CBC), Circumstance{}, lift("tls_version")},
		{"TLS 1.0 and 1.1 by supported_versions", with13(hello(v12, rsaAES128CBC), v11, old), Circumstance{}, lift("tls_version")},

		// TLS 1.2, and yet refused by Microsoft 365.
		{"TLS 1.2, RSA key exchange only (printers of 2025)", modern12(rsaAES128GCM, rsaAES128CBC), Circumstance{}, lift("cipher_suites")},
		{"TLS 1.2, ECDHE with CBC-SHA1 only", modern12(ecdheRSAAES128CBC), Circumstance{}, lift("cipher_suites")},
		{"TLS 1.2, ECDSA suites alone", withSignatures(withGroups(hello(v12, ecdheECDSAGCM), p256), ecdsa256, rsaSHA256), Circumstance{},
			lift("cipher_suites")},
		{"TLS 1.2, ECDSA suites alone, and no signature of ECDSA", withSignatures(withGroups(hello(v12, ecdheECDSAGCM), p256), rsaSHA256),
			Circumstance{}, refuse("cipher_suites", record.ReasonNoSharedCipherSuite)},
		{"TLS 1.0, ECDSA suites alone", withGroups(hello(old, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA), p256), Circumstance{},
			lift("tls_version")},
		{"TLS 1.0, ECDSA suites alone, without P-256", withGroups(hello(old, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA), p384),
			Circumstance{}, refuse("tls_version", record.ReasonNoSharedCipherSuite)},
		{"TLS 1.2, ECDSA suites beside RSA key exchange", modern12(ecdheECDSAGCM, rsaAES128CBC), Circumstance{}, lift("cipher_suites")},
		{"TLS 1.2, ChaCha20 only", modern12(tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256), Circumstance{}, lift("cipher_suites")},
		{"TLS 1.2, SHA-1 signatures only", withSignatures(withGroups(hello(v12, ecdheRSAAES128GCM, rsaAES128CBC), p256), rsaSHA1), Circumstance{},
			lift("signature_algorithms")},
		{"TLS 1.2, no signature algorithms", withGroups(hello(v12, ecdheRSAAES128GCM, rsaAES128CBC), p256), Circumstance{},
			lift("signature_algorithms")},
		{"TLS 1.2, ECDSA signatures only", withSignatures(withGroups(hello(v12, ecdheRSAAES128GCM, rsaAES128CBC), p256), ecdsa256),
			Circumstance{}, lift("signature_algorithms")},
		{"TLS 1.2, unusable groups", withSignatures(withGroups(hello(v12, ecdheRSAAES128GCM, rsaAES128CBC), secp224r1), rsaSHA256),
			Circumstance{}, lift("groups")},
		{"TLS 1.3 version without a TLS 1.3 suite", with13(modern12(rsaAES128CBC), tls.VersionTLS13, v12), Circumstance{}, lift("cipher_suites")},

		// What the destination has refused.
		{"capable, but refused before", modern12(ecdheRSAAES128GCM), before, lift("destination_refused")},
		{"TLS 1.3 only, refused before", with13(withGroups(hello(v12, tls13AES128), x25519), tls.VersionTLS13), before,
			lift("destination_refused")},
		{"too old anyway, refused before", hello(old, rsaAES128CBC), before, lift("tls_version")},
		{"ECDHE AES-CBC SHA-384 only, refused before", modern12(suiteECDHERSAAES256CBCSHA384), before, lift("destination_refused")},
		{"PSS signatures only, refused before", withSignatures(withGroups(hello(v12, ecdheRSAAES128GCM), p256), pssSHA256), before,
			lift("destination_refused")},
		{"refused before and not to be served", only13, before,
			refuse("destination_refused", record.ReasonNoSharedCipherSuite)},

		// One side uses implicit TLS, the other STARTTLS.
		{"capable, but the TLS modes differ", modern12(ecdheRSAAES128GCM), differs, lift("tls_mode_mismatch")},
		{"too old anyway, and the TLS modes differ", hello(old, rsaAES128CBC), differs, lift("tls_version")},
		{"TLS modes differ and not to be served", only13, differs,
			refuse("tls_mode_mismatch", record.ReasonNoSharedCipherSuite)},

		// RC4 is served only on request.
		{"RC4 only", hello(old, rsaRC4), Circumstance{}, refuse("tls_version", record.ReasonCipherSuiteDisabled)},
		{"RC4 only, allowed", hello(old, rsaRC4), rc4, lift("tls_version")},
		{"ECDHE with RC4 only, allowed", withGroups(hello(old, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA), p256), rc4, lift("tls_version")},

		{"RC4 with MD5 only, allowed", hello(old, 0x0004), rc4, lift("tls_version")},
		{"single DES only", hello(old, rsaDES), rc4, refuse("tls_version", record.ReasonCipherSuiteDisabled)},
		{"single DES only, allowed", hello(old, rsaDES), des, lift("tls_version")},

		// What Go's TLS would refuse.
		{"DHE only at TLS 1.0", hello(old, dheAES128CBC), Circumstance{}, lift("tls_version")},
		{"DHE only at TLS 1.2", modern12(dheAES128GCM), Circumstance{}, lift("cipher_suites")},
		{"ECDHE only without groups at TLS 1.0", hello(old, ecdheRSAAES128CBC), Circumstance{}, lift("tls_version")},
		{"ECDHE only with SHA-1 signatures", withSignatures(withGroups(hello(v12, ecdheRSAAES128CBC), p256), rsaSHA1), Circumstance{},
			lift("cipher_suites")},
		{"SSLv2-format hello for TLS 1.0", sslv2(hello(old, rsaAES128CBC)), Circumstance{}, lift("hello_format")},
		{"SSLv2-format hello for TLS 1.2", sslv2(hello(v12, ecdheRSAAES128GCM)), Circumstance{}, lift("hello_format")},

		// What cannot be served.
		{"no suites", hello(old), Circumstance{}, refuse("tls_version", record.ReasonNoSharedCipherSuite)},
		{"GCM suites at TLS 1.0", hello(old, rsaAES128GCM), Circumstance{}, refuse("tls_version", record.ReasonNoSharedCipherSuite)},
		{"export suites only", hello(old, 0x0003, 0x0008), rc4, refuse("tls_version", record.ReasonNoSharedCipherSuite)},
		{"SSLv2-format hello for SSL 3.0", sslv2(hello(0x0300, rsaRC4)), Circumstance{}, refuse("hello_format", record.ReasonSSL3Only)},
		{"SSL 2.0", sslv2(hello(0x0002)), Circumstance{}, refuse("hello_format", record.ReasonSSL2Only)},
		{"SSL 3.0", hello(0x0300, rsaAES128CBC), Circumstance{}, refuse("tls_version", record.ReasonSSL3Only)},
		{"fallback at TLS 1.0", hello(old, rsaAES128CBC, fallback), Circumstance{},
			refuse("tls_version", record.ReasonInappropriateFallback)},

		// A leaf whose key is too short for the only signature that the client knows.
		{"PSS with SHA-512 only, and a leaf of 1024 bits", withSignatures(withGroups(hello(v12, ecdheRSAAES128CBC), p256), pssSHA512),
			shortLeaf, refuse("cipher_suites", record.ReasonNoSharedCipherSuite)},
		{"PSS with SHA-512 only, and a leaf of 2048 bits", withSignatures(withGroups(hello(v12, ecdheRSAAES128CBC), p256), pssSHA512),
			Circumstance{}, lift("cipher_suites")},
		{"PSS with SHA-512 beside SHA-384, and a leaf of 1024 bits",
			withSignatures(withGroups(hello(v12, ecdheRSAAES128CBC), p256), pssSHA512, pssSHA384), shortLeaf, lift("cipher_suites")},
		{"PSS with SHA-512 only, RSA key exchange, and a leaf of 1024 bits",
			withSignatures(withGroups(hello(v12, ecdheRSAAES128CBC, rsaAES128CBC), p256), pssSHA512), shortLeaf, lift("cipher_suites")},
		{"capable with PSS and SHA-512 only: no leaf is needed", withSignatures(withGroups(hello(v12, ecdheRSAAES128GCM), p256), pssSHA512),
			shortLeaf, pass("capable")},

		// What falls back from TLS 1.3, though we serve it.
		{"fallback at TLS 1.2", modern12(rsaAES128CBC, fallback), Circumstance{}, refuse("cipher_suites", record.ReasonInappropriateFallback)},
		{"fallback at TLS 1.2 by supported_versions", with13(modern12(rsaAES128CBC, fallback), v12), Circumstance{},
			refuse("cipher_suites", record.ReasonInappropriateFallback)},
		{"fallback at TLS 1.2 in SSLv2 format", sslv2(hello(v12, rsaAES128CBC, fallback)), Circumstance{},
			refuse("hello_format", record.ReasonInappropriateFallback)},
		{"fallback, and the TLS modes differ", modern12(ecdheRSAAES128GCM, fallback), differs,
			refuse("tls_mode_mismatch", record.ReasonInappropriateFallback)},
		{"fallback, and no suite that is served", modern12(0x0003, fallback), Circumstance{},
			refuse("cipher_suites", record.ReasonNoSharedCipherSuite)},
		{"capable fallback: the destination decides", modern12(ecdheRSAAES128GCM, fallback), Circumstance{}, pass("capable")},
		{"capable fallback, refused before", modern12(ecdheRSAAES128GCM, fallback), before, lift("destination_refused")},
		{"fallback after another refusal", modern12(rsaAES128CBC, fallback), otherBefore, lift("cipher_suites")},
		{"fallback at TLS 1.1 after another refusal", hello(v11, rsaAES128CBC, fallback), otherBefore,
			refuse("tls_version", record.ReasonInappropriateFallback)},
		{"the SCSV beside TLS 1.3 is no fallback", with13(modern12(rsaAES128CBC, tls13AES128, fallback), tls.VersionTLS13), differs,
			lift("tls_mode_mismatch")},
		{"the SCSV beside TLS 1.3 without its suites", with13(modern12(rsaAES128CBC, fallback), tls.VersionTLS13, v12), Circumstance{},
			lift("cipher_suites")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Decide(tt.h, tt.c)
			if (got.Stack == NoStack) != (got.Action == Refuse) && got.Action != Pass {
				t.Errorf("%s with stack %d", got.Action, got.Stack)
			}
			got.Stack = NoStack // has a table of its own
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
