package legacytls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"  //nolint:gosec // what old clients have
	"crypto/md5"  //nolint:gosec // what old clients have
	"crypto/rc4"  //nolint:gosec // what old clients have
	"crypto/sha1" //nolint:gosec // what old clients have
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

// A keyExchange is how the premaster secret comes to be.
type keyExchange uint8

const (
	kxRSA keyExchange = iota
	kxECDHE
	kxDHE
)

// A strength groups suites by the setting that switches them.
type strength uint8

const (
	usual strength = iota
	weakRC4
	weakDES
)

// A suite is a cipher suite whose certificate has an RSA or an ECDSA key.
type suite struct {
	id       uint16
	name     string
	kx       keyExchange
	ecdsa    bool // ECDSA signs the key exchange, not RSA
	strength strength
	tls12    bool // does not exist below TLS 1.2 (RFC 5246, 5288, 5289, 7905)
	keyLen   int
	ivLen    int // of CBC below TLS 1.1, or the fixed part of an AEAD's nonce
	mac      *macHash
	prf12    *macHash                               // of TLS 1.2
	block    func(key []byte) (cipher.Block, error) // of CBC
	aead     func(key []byte) (cipher.AEAD, error)
}

// The suites that crypto/tls does not name.
const (
	rsaRC4MD5         = 0x0004
	rsaDES            = 0x0009
	dheDES            = 0x0015
	dhe3DES           = 0x0016
	dheAES128         = 0x0033
	dheAES256         = 0x0039
	rsaAES256SHA256   = 0x003d
	dheAES128SHA256   = 0x0067
	dheAES256SHA256   = 0x006b
	dheAES128GCM      = 0x009e
	dheAES256GCM      = 0x009f
	ecdsa3DES         = 0xc008
	ecdsaAES256SHA384 = 0xc024
	ecdheAES256SHA384 = 0xc028
	dheChaCha20       = 0xccaa

	emptyRenegotiationSCSV = 0x00ff // RFC 5746 section 3.3
	fallbackSCSV           = 0x5600 // RFC 7507
)

// Hashes of MACs.
var (
	macMD5    = newMACHash(md5.New)
	macSHA1   = newMACHash(sha1.New)
	macSHA256 = newMACHash(sha256.New)
	macSHA384 = newMACHash(sha512.New384)
)

// suites are in our order of preference, strongest first. One with ECDSA comes right
// before the same one with RSA: to sign costs us a fraction of it. Key exchange by DHE
// comes after all by ECDHE and RSA: Java 6 and 7 break on groups of more than
// 1024 bits, which are too weak for anybody who has a choice. What must be
// switched on comes last.
var suites = []suite{
	gcm(tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", kxECDHE, 32).byECDSA(),
	gcm(tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", kxECDHE, 32),
	gcm(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", kxECDHE, 16).byECDSA(),
	gcm(tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", kxECDHE, 16),
	chaCha20(tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", kxECDHE).byECDSA(),
	chaCha20(tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", kxECDHE),
	aesCBC(ecdsaAES256SHA384, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", kxECDHE, 32).sha384().byECDSA(),
	aesCBC(ecdheAES256SHA384, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", kxECDHE, 32).sha384(),
	aesCBC(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", kxECDHE, 16).sha256().byECDSA(),
	aesCBC(tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", kxECDHE, 16).sha256(),
	aesCBC(tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", kxECDHE, 32).byECDSA(),
	aesCBC(tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", kxECDHE, 32),
	aesCBC(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", kxECDHE, 16).byECDSA(),
	aesCBC(tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", kxECDHE, 16),
	gcm(tls.TLS_RSA_WITH_AES_256_GCM_SHA384, "TLS_RSA_WITH_AES_256_GCM_SHA384", kxRSA, 32),
	gcm(tls.TLS_RSA_WITH_AES_128_GCM_SHA256, "TLS_RSA_WITH_AES_128_GCM_SHA256", kxRSA, 16),
	aesCBC(rsaAES256SHA256, "TLS_RSA_WITH_AES_256_CBC_SHA256", kxRSA, 32).sha256(),
	aesCBC(tls.TLS_RSA_WITH_AES_128_CBC_SHA256, "TLS_RSA_WITH_AES_128_CBC_SHA256", kxRSA, 16).sha256(),
	aesCBC(tls.TLS_RSA_WITH_AES_256_CBC_SHA, "TLS_RSA_WITH_AES_256_CBC_SHA", kxRSA, 32),
	aesCBC(tls.TLS_RSA_WITH_AES_128_CBC_SHA, "TLS_RSA_WITH_AES_128_CBC_SHA", kxRSA, 16),
	desCBC(ecdsa3DES, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA", kxECDHE, 24).byECDSA(),
	desCBC(tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", kxECDHE, 24),
	desCBC(tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", kxRSA, 24),
	gcm(dheAES256GCM, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", kxDHE, 32),
	gcm(dheAES128GCM, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", kxDHE, 16),
	chaCha20(dheChaCha20, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", kxDHE),
	aesCBC(dheAES256SHA256, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", kxDHE, 32).sha256(),
	aesCBC(dheAES128SHA256, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", kxDHE, 16).sha256(),
	aesCBC(dheAES256, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", kxDHE, 32),
	aesCBC(dheAES128, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", kxDHE, 16),
	desCBC(dhe3DES, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", kxDHE, 24),
	rc4Suite(tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", kxECDHE, macSHA1).byECDSA(),
	rc4Suite(tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA, "TLS_ECDHE_RSA_WITH_RC4_128_SHA", kxECDHE, macSHA1),
	rc4Suite(tls.TLS_RSA_WITH_RC4_128_SHA, "TLS_RSA_WITH_RC4_128_SHA", kxRSA, macSHA1),
	rc4Suite(rsaRC4MD5, "TLS_RSA_WITH_RC4_128_MD5", kxRSA, macMD5),
	desCBC(rsaDES, "TLS_RSA_WITH_DES_CBC_SHA", kxRSA, 8),
	desCBC(dheDES, "TLS_DHE_RSA_WITH_DES_CBC_SHA", kxDHE, 8),
}

func aesCBC(id uint16, name string, kx keyExchange, keyLen int) suite {
	return suite{id: id, name: name, kx: kx, keyLen: keyLen, ivLen: aes.BlockSize, mac: macSHA1, prf12: macSHA256, block: aes.NewCipher}
}

func (s suite) sha256() suite {
	s.mac, s.tls12 = macSHA256, true
	return s
}

func (s suite) sha384() suite {
	s.mac, s.prf12, s.tls12 = macSHA384, macSHA384, true
	return s
}

// byECDSA is the suite with an ECDSA certificate.
func (s suite) byECDSA() suite {
	s.ecdsa = true
	return s
}

func gcm(id uint16, name string, kx keyExchange, keyLen int) suite {
	s := suite{id: id, name: name, kx: kx, keyLen: keyLen, ivLen: gcmSaltLen, prf12: macSHA256, aead: newGCM, tls12: true}
	if keyLen == 32 {
		s.prf12 = macSHA384
	}
	return s
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func chaCha20(id uint16, name string, kx keyExchange) suite {
	return suite{id: id, name: name, kx: kx, keyLen: chacha20poly1305.KeySize, ivLen: nonceLen, prf12: macSHA256,
		aead: chacha20poly1305.New, tls12: true}
}

func desCBC(id uint16, name string, kx keyExchange, keyLen int) suite {
	s := suite{id: id, name: name, kx: kx, keyLen: keyLen, ivLen: des.BlockSize, mac: macSHA1, prf12: macSHA256,
		block: des.NewTripleDESCipher}
	if keyLen == des.BlockSize {
		s.strength, s.block = weakDES, des.NewCipher
	}
	return s
}

func rc4Suite(id uint16, name string, kx keyExchange, mac *macHash) suite {
	return suite{id: id, name: name, kx: kx, strength: weakRC4, keyLen: 16, mac: mac, prf12: macSHA256}
}

func (s *suite) macLen() int {
	if s.mac == nil {
		return 0
	}
	return s.mac.size
}

// stream is a suite's stream cipher.
func (s *suite) stream(key []byte) (cipher.Stream, error) { return rc4.NewCipher(key) } //nolint:gosec // what old clients have

func suiteByID(id uint16) *suite {
	i := slices.IndexFunc(suites, func(s suite) bool { return s.id == id })
	if i < 0 {
		return nil
	}
	return &suites[i]
}

// SuiteName is the name of a suite that this package can serve; empty for
// others.
func SuiteName(id uint16) string {
	if s := suiteByID(id); s != nil {
		return s.name
	}
	return ""
}

// IsECDSA reports whether a suite needs a certificate with an ECDSA key.
func IsECDSA(id uint16) bool {
	s := suiteByID(id)
	return s != nil && s.ecdsa
}
