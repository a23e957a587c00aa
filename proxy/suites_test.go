package proxy

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/record"
)

// legacytls ends what crypto/tls refuses and everything below TLS 1.2;
// crypto/tls the rest.
func TestEngineFor(t *testing.T) {
	t.Parallel()
	const v10, v11, v12 = tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12
	rc4, des := WeakSuites{RC4: true}, WeakSuites{DES: true}
	for _, tt := range []struct {
		name string
		h    *clienthello.Hello
		weak WeakSuites
		want engine
	}{
		{"TLS 1.0", hello(v10, rsaAES128CBC), WeakSuites{}, legacyEngine},
		{"TLS 1.1", hello(v11, rsaAES128CBC), WeakSuites{}, legacyEngine},
		{"TLS 1.2, RSA key exchange", modern12(rsaAES128CBC), WeakSuites{}, cryptoEngine},
		{"TLS 1.2, capable", modern12(ecdheRSAAES128GCM), WeakSuites{}, cryptoEngine},
		{"TLS 1.3", with13(modern12(tls13AES128), tls.VersionTLS13), WeakSuites{}, cryptoEngine},
		{"TLS 1.2, DHE only", modern12(dheAES128GCM), WeakSuites{}, legacyEngine},
		{"TLS 1.2, ECDHE with SHA-1 signatures only", withSignatures(withGroups(hello(v12, ecdheRSAAES128GCM), p256), rsaSHA1), WeakSuites{}, legacyEngine},
		{"TLS 1.2, SHA-1 signatures and RSA key exchange", withSignatures(withGroups(hello(v12, ecdheRSAAES128GCM, rsaAES128CBC), p256), rsaSHA1), WeakSuites{}, cryptoEngine},
		{"TLS 1.2 in SSLv2 format", sslv2(hello(v12, rsaAES128CBC)), WeakSuites{}, legacyEngine},
		{"RC4 with MD5", hello(v10, 0x0004), WeakSuites{}, noEngine},
		{"RC4 with MD5, allowed", hello(v10, 0x0004), rc4, legacyEngine},
		{"RC4 at TLS 1.2, allowed", modern12(rsaRC4), rc4, cryptoEngine},
		{"DES, allowed", hello(v10, rsaDES), des, legacyEngine},
		{"SSL 3.0", hello(0x0300, rsaAES128CBC), WeakSuites{}, noEngine},
	} {
		if got := engineFor(tt.h, tt.weak); got != tt.want {
			t.Errorf("%s: got engine %d, want %d", tt.name, got, tt.want)
		}
	}
}

// A client without AES gets a certificate that it can check, unless the clients
// file says otherwise.
func TestLeafProfile(t *testing.T) {
	t.Parallel()
	xp, vista := hello(tls.VersionTLS10, rsaRC4, rsa3DES, rsaDES), hello(tls.VersionTLS10, rsaRC4, dheAES128CBC)
	for _, tt := range []struct {
		name string
		h    *clienthello.Hello
		leaf clientfile.Leaf
		want localca.Profile
	}{
		{"Windows XP", xp, clientfile.Leaf{}, localca.Profile{SHA1: true}},
		{"Windows XP with SHA-256 by file", xp, clientfile.Leaf{Hash: clientfile.HashSHA256}, localca.Profile{}},
		{"AES", vista, clientfile.Leaf{}, localca.Profile{}},
		{"AES with SHA-1 by file", vista, clientfile.Leaf{Hash: clientfile.HashSHA1, Bits: 1024, WithCA: true}, localca.Profile{SHA1: true, Bits: 1024, WithCA: true}},
	} {
		if got := leafProfile(tt.h, tt.leaf); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// The log names what a refused client offered, and what would serve it.
func TestDescribe(t *testing.T) {
	t.Parallel()
	for want, h := range map[string]*clienthello.Hello{
		"offered TLS 1.0 with TLS_RSA_WITH_RC4_128_MD5, 0x0003; it takes rc4": hello(tls.VersionTLS10, 0x0004, 0x0003),
		"offered TLS 1.0 with TLS_RSA_WITH_DES_CBC_SHA; it takes des":         hello(tls.VersionTLS10, rsaDES),
	} {
		if got := describe(h, record.ReasonCipherSuiteDisabled).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := describe(hello(tls.VersionTLS10, 0x0003), record.ReasonNoSharedCipherSuite).Error(); strings.Contains(got, "takes") {
		t.Errorf("got %q, though no setting helps", got)
	}
}
