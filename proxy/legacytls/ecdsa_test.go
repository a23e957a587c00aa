package legacytls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"strings"
	"testing"
)

const (
	ecdsaAES128 = tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
	ecdsaAES256 = tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA
	ecdsaGCM128 = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256

	ecdsaSHA256, ecdsaSHA512 = 0x0403, 0x0603
	rsaSHA256                = 0x0401
)

func p256Key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A client gets a suite that goes with the key, signed as it can verify it, or is told.
func TestECDSAKey(t *testing.T) {
	t.Parallel()
	config := withKey(t, p256Key(t))
	const v10, v11, v12 = tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12
	p256, noP256 := groupsOf(tls.CurveP521, tls.CurveP256), groupsOf(tls.X25519, tls.CurveP384)
	both := []uint16{ecdheAES128, ecdsaAES128}
	for name, row := range map[string]struct {
		version       uint16
		suites        []uint16
		extensions    []extension
		suite, scheme uint16 // zero means that the client is told
	}{
		"TLS 1.0":                 {v10, both, []extension{p256}, ecdsaAES128, 0},
		"TLS 1.0 without groups":  {v10, both, nil, ecdsaAES128, 0},
		"TLS 1.0 without P-256":   {v10, both, []extension{noP256}, 0, 0},
		"TLS 1.0 with RSA alone":  {v10, []uint16{ecdheAES128, rsaAES128, dheAES128}, []extension{p256}, 0, 0},
		"TLS 1.0 with signatures": {v10, both, []extension{p256, signaturesOf(rsaSHA256)}, ecdsaAES128, 0},
		"TLS 1.1":                 {v11, []uint16{ecdsaAES128, ecdsaAES256}, []extension{p256}, ecdsaAES256, 0},
		"compressed points":       {v10, both, []extension{p256, pointsOf(1, 2)}, ecdsaAES128, 0},
		"TLS 1.2": {v12, []uint16{ecdsaAES128, ecdsaGCM128},
			[]extension{p256, signaturesOf(rsaSHA256, ecdsaSHA256)}, ecdsaGCM128, ecdsaSHA256},
		"TLS 1.2 with SHA-512 alone":     {v12, both, []extension{p256, signaturesOf(ecdsaSHA512)}, ecdsaAES128, ecdsaSHA512},
		"TLS 1.2 with SHA-1 at last":     {v12, both, []extension{p256, signaturesOf(ecdsaSHA1Scheme, ecdsaSHA512)}, ecdsaAES128, ecdsaSHA512},
		"TLS 1.2 without signatures":     {v12, both, []extension{p256}, ecdsaAES128, ecdsaSHA1Scheme},
		"TLS 1.2 with signatures of RSA": {v12, both, []extension{p256, signaturesOf(rsaSHA256, sha1Scheme)}, 0, 0},
		"TLS 1.2 without P-256":          {v12, both, []extension{noP256, signaturesOf(ecdsaSHA256)}, 0, 0},
		"3DES":                           {v10, []uint16{ecdsa3DES}, []extension{p256}, ecdsa3DES, 0},
		"RC4": {v10, []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA},
			[]extension{p256}, tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := begin(t, config, hello{version: row.version, suites: row.suites, extensions: row.extensions})
			c.connect()
			if row.suite == 0 {
				c.wantAlert(alertHandshakeFailure)
				return
			}
			if c.err != nil || c.answer.suite != row.suite || c.answer.scheme != row.scheme {
				t.Fatalf("%s with signature %04x, %v", SuiteName(c.answer.suite), c.answer.scheme, c.err)
			}
			c.close()
		})
	}
}

// Of two keys, the one for the stronger suite is chosen; of equal ones, ECDSA. An RSA
// key alone is what is meant where nothing is said.
func TestChooseBetweenKeys(t *testing.T) {
	t.Parallel()
	const either = RSAKey | ECDSAKey
	for _, row := range []struct {
		keys   Keys
		suites []uint16
		want   uint16
	}{
		{0, []uint16{ecdsaAES128, ecdheAES128}, ecdheAES128},
		{RSAKey, []uint16{ecdsaAES128, ecdheAES128}, ecdheAES128},
		{ECDSAKey, []uint16{ecdsaAES128, ecdheAES128}, ecdsaAES128},
		{either, []uint16{ecdheAES128, ecdsaAES128}, ecdsaAES128},
		{either, []uint16{ecdheAES256, ecdsaAES128}, ecdheAES256},
		{either, []uint16{ecdsaAES128, rsaAES128}, ecdsaAES128},
		{either, []uint16{rsaAES128}, rsaAES128},
		{0, []uint16{ecdsaAES128}, 0},
		{ECDSAKey, []uint16{ecdheAES128, rsaAES128, dheAES128}, 0},
	} {
		if got := (Offer{Version: tls.VersionTLS10, Suites: row.suites, Keys: row.keys}).Choose(LegacySuites{}); got != row.want {
			t.Errorf("keys %d, %04x: %04x, want %04x", row.keys, row.suites, got, row.want)
		}
	}
	for i := range suites {
		s := &suites[i]
		if s.ecdsa {
			twin := &suites[i+1]
			if twin.name != strings.Replace(s.name, "_ECDSA_", "_RSA_", 1) || twin.keyLen != s.keyLen ||
				twin.tls12 != s.tls12 || twin.macLen() != s.macLen() {
				t.Errorf("%s comes before %s", s.name, twin.name)
			}
		}
		if IsECDSA(s.id) != s.ecdsa {
			t.Errorf("%s: is of ECDSA: %v", s.name, !s.ecdsa)
		}
	}
}

// A session is resumed whatever key the certificate has by then: it needs none.
func TestResumeWithAnotherKey(t *testing.T) {
	t.Parallel()
	signed := withKey(t, p256Key(t))
	for _, m := range memories {
		first := at(t, newSessions(), noon)
		second := *first
		first.Certificate = signed.Certificate
		h := hello{suites: []uint16{ecdsaAES128, rsaAES128}, extensions: []extension{groupsOf(tls.CurveP256)}}
		c, resumed := again(t, m, h, first, &second)
		if !resumed || c.agreed().CipherSuite != ecdsaAES128 {
			t.Errorf("%s: resumed: %v, %s", m.name, resumed, SuiteName(c.agreed().CipherSuite))
		}
	}
}
