package decide

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/record"
)

// crypto/tls ends TLS 1.3, and legacytls everything older.
func TestStack(t *testing.T) {
	t.Parallel()
	const v10, v11, v12 = tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12
	rc4, des := legacytls.LegacySuites{RC4: true}, legacytls.LegacySuites{DES: true}
	for _, tt := range []struct {
		name   string
		h      *clienthello.Hello
		legacy legacytls.LegacySuites
		want   Stack
	}{
		{"TLS 1.0", hello(v10, rsaAES128CBC), legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.1", hello(v11, rsaAES128CBC), legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.2, RSA key exchange", modern12(rsaAES128CBC), legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.2, capable", modern12(ecdheRSAAES128GCM), legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.3", with13(modern12(tls13AES128), tls.VersionTLS13), legacytls.LegacySuites{}, CryptoStack},
		{"TLS 1.2, DHE only", modern12(dheAES128GCM), legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.2, ECDHE with SHA-1 signatures only", withSignatures(withGroups(hello(v12, ecdheRSAAES128GCM), p256), rsaSHA1),
			legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.2, SHA-1 signatures and RSA key exchange", withSignatures(withGroups(hello(v12, ecdheRSAAES128GCM, rsaAES128CBC), p256), rsaSHA1),
			legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.2, PSS signatures only", withSignatures(withGroups(hello(v12, ecdheRSAAES128GCM), p256), pssSHA256),
			legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.2, ChaCha20 only", modern12(tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256), legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.2, ECDHE AES-CBC SHA-384 only", modern12(suiteECDHERSAAES256CBCSHA384), legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.2, ECDHE only, compressed points only", withPoints(modern12(ecdheRSAAES128CBC), 1, 2), legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.3 version without a TLS 1.3 suite", with13(modern12(rsaAES128CBC), tls.VersionTLS13, v12), legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.3 suite without the version", modern12(tls13AES128, rsaAES128CBC), legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.2 in SSLv2 format", sslv2(hello(v12, rsaAES128CBC)), legacytls.LegacySuites{}, LegacyStack},
		{"RC4 with MD5", hello(v10, 0x0004), legacytls.LegacySuites{}, NoStack},
		{"RC4 with MD5, allowed", hello(v10, 0x0004), rc4, LegacyStack},
		{"RC4 at TLS 1.2, allowed", modern12(rsaRC4), rc4, LegacyStack},
		{"DES, allowed", hello(v10, rsaDES), des, LegacyStack},
		{"TLS 1.1 by its list, TLS 1.2 by its version", with13(modern12(rsaAES128CBC), v11), legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.3 without its suites, and TLS 1.0", with13(modern12(rsaAES128CBC), tls.VersionTLS13, v10), legacytls.LegacySuites{}, LegacyStack},
		{"TLS 1.3 without its suites", with13(modern12(rsaAES128CBC), tls.VersionTLS13), legacytls.LegacySuites{}, NoStack},
		{"suites of TLS 1.2, but TLS 1.1 by its list", with13(modern12(rsaAES128GCM), v11), legacytls.LegacySuites{}, NoStack},
		{"a draft of TLS 1.3 alone", with13(modern12(rsaAES128CBC), 0x7f1c), legacytls.LegacySuites{}, NoStack},
		{"SSL 3.0", hello(0x0300, rsaAES128CBC), legacytls.LegacySuites{}, NoStack},
	} {
		if got := Decide(tt.h, Circumstance{Legacy: tt.legacy}).Stack; got != tt.want {
			t.Errorf("%s: got stack %d, want %d", tt.name, got, tt.want)
		}
	}
}

// A version that the client does not offer is never answered, whatever its suites.
func TestLegacyVersion(t *testing.T) {
	t.Parallel()
	const v10, v11, v12, v13 = tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13
	for _, tt := range []struct {
		h    *clienthello.Hello
		want uint16
	}{
		{hello(v10), v10}, {hello(v11), v11}, {hello(v12), v12}, {hello(0x0304), v12}, {hello(0x0300), 0},
		{with13(hello(v12), v13, v12), v12}, {with13(hello(v12), v13, v11), v11}, {with13(hello(v12), v13), 0},
		{with13(hello(v12), v10, v11), v11}, {with13(hello(v12), 0x0300), 0},
	} {
		if got := LegacyVersion(tt.h); got != tt.want {
			t.Errorf("version %04x, %04x: got %04x, want %04x", tt.h.Version, tt.h.SupportedVersions, got, tt.want)
		}
	}
}

// A client that lists its versions is answered in one of them, or refused.
func TestNoSharedVersion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		versions []uint16
		want     record.Reason
	}{
		{[]uint16{0x7f1c}, record.ReasonNoSharedVersion}, // a draft of TLS 1.3
		{[]uint16{0x0305, 0x0306}, record.ReasonNoSharedVersion},
		{[]uint16{0x0300}, record.ReasonNoSharedVersion},
		{[]uint16{0x0002, 0x0300}, record.ReasonNoSharedVersion},
		{[]uint16{tls.VersionTLS13}, record.ReasonNoSharedCipherSuite}, // it has suites of TLS 1.2 only
		{[]uint16{0x7f1c, tls.VersionTLS11}, ""},
	} {
		got := Decide(with13(modern12(rsaAES128CBC), tt.versions...), Circumstance{})
		if got.Reason != tt.want || (got.Action == Refuse) != (tt.want != "") {
			t.Errorf("%04x: %s with reason %q, want %q", tt.versions, got.Action, got.Reason, tt.want)
		}
	}
}

// The log names what a refused client offered, and what would serve it.
func TestDescribe(t *testing.T) {
	t.Parallel()
	for want, h := range map[string]*clienthello.Hello{
		"offered TLS 1.0 with TLS_RSA_WITH_RC4_128_MD5, 0x0003; it needs rc4": hello(tls.VersionTLS10, 0x0004, 0x0003),
		"offered TLS 1.0 with TLS_RSA_WITH_DES_CBC_SHA; it needs des":         hello(tls.VersionTLS10, rsaDES),
	} {
		if got := Describe(h, record.ReasonCipherSuiteDisabled).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	short := withSignatures(withGroups(hello(tls.VersionTLS12, ecdheRSAAES128CBC), p256), pssSHA512)
	if got := Describe(short, record.ReasonNoSharedCipherSuite).Error(); !strings.Contains(got, "the key of its leaf is too short") {
		t.Errorf("got %q", got)
	}
	if got := Describe(hello(tls.VersionTLS10, 0x0003), record.ReasonNoSharedCipherSuite).Error(); strings.Contains(got, "needs") {
		t.Errorf("got %q, though no setting helps", got)
	}
}

// Each suite of both stacks has the name of crypto/tls, and one that neither knows its number.
func TestSuiteName(t *testing.T) {
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if got := SuiteName(s.ID); got != s.Name {
			t.Errorf("%04x is %s, want %s", s.ID, got, s.Name)
		}
	}
	if got := SuiteName(0xfafa); got != "0xFAFA" {
		t.Errorf("an unknown suite is %s", got)
	}
	if allocs := testing.AllocsPerRun(10, func() { SuiteName(tls.TLS_CHACHA20_POLY1305_SHA256) }); allocs > 0 {
		t.Errorf("a name takes %v allocations", allocs)
	}
}
