package legacytls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// withKey is a configuration whose certificate has that key.
func withKey(t *testing.T, key crypto.Signer) *Config {
	t.Helper()
	template := testenv.Template(serverName, serverName)
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	certificate := testenv.SelfSigned(t, template, key)
	config := newConfig(t)
	config.Certificate = &certificate
	return config
}

func shortKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A key of 1024 bits has no room for PSS with SHA-512. Another signature is chosen, or
// another key exchange, or the client is told.
func TestShortKeys(t *testing.T) {
	t.Parallel()
	config := withKey(t, shortKey(t))
	const pss384, pss512, pkcs512 = 0x0805, 0x0806, 0x0601
	for name, row := range map[string]struct {
		suites, schemes []uint16
		suite, scheme   uint16 // zero means that the client is told
	}{
		"PSS with SHA-512 alone":       {suites: []uint16{ecdheAES128}, schemes: []uint16{pss512}},
		"the same with DHE":            {suites: []uint16{dheAES128, dheAES128GCM}, schemes: []uint16{pss512}},
		"the same beside RSA":          {[]uint16{ecdheAES128, rsaAES128}, []uint16{pss512}, rsaAES128, 0},
		"PSS with SHA-512 and SHA-384": {[]uint16{ecdheAES128}, []uint16{pss512, pss384}, ecdheAES128, pss384},
		"PSS with SHA-512, and SHA-1":  {[]uint16{ecdheAES128}, []uint16{pss512, sha1Scheme}, ecdheAES128, sha1Scheme},
		"PKCS #1 with SHA-512":         {[]uint16{dheAES128}, []uint16{pkcs512, pss512}, dheAES128, pkcs512},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			extensions := []extension{groupsOf(tls.CurveP256), signaturesOf(row.schemes...)}
			c := begin(t, config, hello{version: tls.VersionTLS12, suites: row.suites, extensions: extensions})
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

// A real client gets the alert, and not a mere end.
func TestOpenSSLWithShortKey(t *testing.T) {
	t.Parallel()
	s := &peerServer{config: withKey(t, shortKey(t))}
	s.start(t)
	out, err := runPeer(t, nil, "openssl", "s_client", "-connect", "127.0.0.1:"+s.port, "-tls1_2", "-sigalgs", "RSA-PSS+SHA512",
		"-cipher", "ECDHE-RSA-AES128-SHA:@SECLEVEL=0")
	if err == nil || !strings.Contains(out, "alert handshake failure") {
		t.Errorf("%v, the client says: %.5000s", err, out)
	}
	if v, told := s.next(t), (*ProtocolError)(nil); !errors.As(v.err, &told) || !strings.Contains(told.What, "signature") {
		t.Errorf("the server ended with %v", v.err)
	}
}

// What goes wrong on our side is told, too.
func TestInternalErrors(t *testing.T) {
	t.Parallel()
	long, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{long, edwards} {
		c := begin(t, withKey(t, key), hello{suites: []uint16{ecdsaAES128, rsaAES128}})
		c.sayHello()
		c.wantAlert(alertInternalError)
	}
}
