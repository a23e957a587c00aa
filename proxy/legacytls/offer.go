package legacytls

import (
	"crypto"
	"crypto/tls"
	"slices"
)

// An Offer is what of a ClientHello decides about the suite.
type Offer struct {
	Version uint16 // the one agreed on
	Suites  []uint16
	// Groups are the client's; where it names none, HasGroups is false, and
	// P-256 is meant (RFC 8422 section 4).
	Groups    []uint16
	HasGroups bool
	// Points are its point formats; where it names none, uncompressed points are
	// meant.
	Points []byte
	// Signatures are its signature algorithms; where it names none,
	// HasSignatures is false, and SHA-1 is meant (RFC 5246 section 7.4.1.4.1).
	Signatures    []uint16
	HasSignatures bool
	// Keys are the kinds of keys that we have; zero means an RSA key alone.
	Keys Keys
	// KeyBits is the length of our RSA key; zero means one that is long enough for
	// every signature.
	KeyBits int
}

// Keys are kinds of keys of certificates.
type Keys uint8

// The kinds of keys.
const (
	RSAKey   Keys = 1 << iota
	ECDSAKey      // on P-256
)

func (k Keys) has(ecdsa bool) bool {
	if ecdsa {
		return k&ECDSAKey != 0
	}
	return k == 0 || k&RSAKey != 0
}

// Choose returns the suite that a client gets; zero if there is none.
func (o Offer) Choose(weak LegacySuites) uint16 {
	if s := o.choose(weak); s != nil {
		return s.id
	}
	return 0
}

// Names of signature schemes, as far as TLS 1.2 has them for our keys, in our
// order of preference. PSS is for clients that have nothing else (RFC 8446
// section 4.2.3): some have it wrong.
var signatureSchemes = []signatureScheme{
	{0x0401, crypto.SHA256, byPKCS1}, {0x0501, crypto.SHA384, byPKCS1}, {0x0601, crypto.SHA512, byPKCS1},
	{0x0804, crypto.SHA256, byPSS}, {0x0805, crypto.SHA384, byPSS}, {0x0806, crypto.SHA512, byPSS},
	{0x0301, crypto.SHA224, byPKCS1}, {sha1Scheme, crypto.SHA1, byPKCS1},
	{0x0403, crypto.SHA256, byECDSA}, {0x0503, crypto.SHA384, byECDSA}, {0x0603, crypto.SHA512, byECDSA},
	{0x0303, crypto.SHA224, byECDSA}, {ecdsaSHA1Scheme, crypto.SHA1, byECDSA},
}

type signatureScheme struct {
	id   uint16
	hash crypto.Hash
	by   signatureKind
}

type signatureKind uint8

const (
	byPKCS1 signatureKind = iota // of RSA
	byPSS                        // of RSA
	byECDSA
)

const (
	sha1Scheme      = 0x0201
	ecdsaSHA1Scheme = 0x0203
)

// fits reports whether a key can sign like that. PSS needs room for the hash and for a
// salt of the same length (RFC 8017 section 9.1.1). PKCS #1 v1.5 needs less than the
// shortest key has.
func (s signatureScheme) fits(keyBits int) bool {
	return s.by != byPSS || keyBits == 0 || (keyBits-1+7)/8 >= 2*s.hash.Size()+2
}

func (o Offer) choose(weak LegacySuites) *suite {
	// A client that names only compressed points gets ECDHE if it has nothing
	// else: it must read uncompressed ones whatever it names (RFC 8422 section
	// 5.1.2), and OpenSSL sends it those.
	if len(o.Points) > 0 && !slices.Contains(o.Points, pointUncompressed) {
		if s := o.first(weak, false); s != nil {
			return s
		}
	}
	return o.first(weak, true)
}

// first is the first of our suites that fits.
func (o Offer) first(weak LegacySuites, ecdhe bool) *suite {
	ecdhe = ecdhe && o.curve() != 0
	for i := range suites {
		s := &suites[i]
		switch {
		case !slices.Contains(o.Suites, s.id), !weak.allow(s.strength), !o.Keys.has(s.ecdsa),
			s.tls12 && o.Version < tls.VersionTLS12,
			s.kx == kxECDHE && !ecdhe, s.kx != kxRSA && o.signature(s.ecdsa) == nil:
		default:
			return s
		}
	}
	return nil
}

// curves are in our order of preference; the first two cost the least.
var curves = []tls.CurveID{tls.CurveP256, tls.X25519, tls.CurveP384, tls.CurveP521}

// curve is the group for ECDHE; zero if there is none in common.
func (o Offer) curve() tls.CurveID {
	if !o.HasGroups {
		return tls.CurveP256
	}
	for _, c := range curves {
		if slices.Contains(o.Groups, uint16(c)) {
			return c
		}
	}
	return 0
}

// What everybody signs with below TLS 1.2 (RFC 4346 section 7.4.3 and RFC 8422 section
// 5.4).
var (
	md5sha1   = signatureScheme{hash: crypto.MD5SHA1}
	ecdsaSHA1 = signatureScheme{hash: crypto.SHA1, by: byECDSA}
)

// signature is how to sign for the client with an RSA key, or an ECDSA one; nil if it
// could not verify it, or our key is too short for it. Who names no P-256 among its
// groups has no use for a key on it (RFC 8422 section 5.1.1).
func (o Offer) signature(ecdsa bool) *signatureScheme {
	switch {
	case ecdsa && o.HasGroups && !slices.Contains(o.Groups, uint16(tls.CurveP256)):
		return nil
	case o.Version < tls.VersionTLS12 && ecdsa:
		return &ecdsaSHA1
	case o.Version < tls.VersionTLS12:
		return &md5sha1
	}
	offered := o.Signatures
	if !o.HasSignatures {
		offered = []uint16{sha1Scheme, ecdsaSHA1Scheme}
	}
	i := slices.IndexFunc(signatureSchemes, func(s signatureScheme) bool {
		return slices.Contains(offered, s.id) && (s.by == byECDSA) == ecdsa && s.fits(o.KeyBits)
	})
	if i < 0 {
		return nil
	}
	return &signatureSchemes[i]
}

// offer is what of h decides, at the version agreed on.
func (h *clientHello) offer(version uint16) Offer {
	return Offer{
		Version: version, Suites: h.suites,
		Groups: h.groups, HasGroups: h.seen[extGroups],
		Points:     h.points,
		Signatures: h.signatures, HasSignatures: h.seen[extSignatures],
	}
}
