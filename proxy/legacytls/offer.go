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
	// Points are its point formats; where it names none, HasPoints is false.
	Points    []byte
	HasPoints bool
	// Signatures are its signature algorithms; where it names none,
	// HasSignatures is false, and SHA-1 is meant (RFC 5246 section 7.4.1.4.1).
	Signatures    []uint16
	HasSignatures bool
}

// Choose returns the suite that a client gets; zero if there is none.
func (o Offer) Choose(weak LegacySuites) uint16 {
	if s := o.choose(weak); s != nil {
		return s.id
	}
	return 0
}

// Names of signature schemes, as far as TLS 1.2 has them for RSA keys, in our
// order of preference.
var signatureSchemes = []signatureScheme{
	{0x0401, crypto.SHA256}, {0x0501, crypto.SHA384}, {0x0601, crypto.SHA512}, {sha1Scheme, crypto.SHA1},
}

type signatureScheme struct {
	id   uint16
	hash crypto.Hash
}

const sha1Scheme = 0x0201

func (o Offer) choose(weak LegacySuites) *suite {
	ecdhe, signs := o.curve() != 0, o.signature() != nil
	for i := range suites {
		s := &suites[i]
		switch {
		case !slices.Contains(o.Suites, s.id), !weak.allow(s.strength),
			s.tls12 && o.Version < tls.VersionTLS12,
			s.kx == kxECDHE && (!ecdhe || !signs), s.kx == kxDHE && !signs:
		default:
			return s
		}
	}
	return nil
}

// curves are in our order of preference; the first two cost the least.
var curves = []tls.CurveID{tls.CurveP256, tls.X25519, tls.CurveP384, tls.CurveP521}

// curve is the group for ECDHE; zero if there is none in common. A client that
// reads only compressed points can do no ECDHE with anybody, but RSA.
func (o Offer) curve() tls.CurveID {
	if o.HasPoints && !slices.Contains(o.Points, pointUncompressed) {
		return 0
	}
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

// md5sha1 is what everybody signs with below TLS 1.2.
var md5sha1 = signatureScheme{0, crypto.MD5SHA1}

// signature is how to sign for the client; nil if it could not verify it.
func (o Offer) signature() *signatureScheme {
	if o.Version < tls.VersionTLS12 {
		return &md5sha1
	}
	offered := o.Signatures
	if !o.HasSignatures {
		offered = []uint16{sha1Scheme}
	}
	i := slices.IndexFunc(signatureSchemes, func(s signatureScheme) bool { return slices.Contains(offered, s.id) })
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
		Points: h.points, HasPoints: h.seen[extPoints],
		Signatures: h.signatures, HasSignatures: h.seen[extSignatures],
	}
}
