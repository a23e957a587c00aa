package proxy

import (
	"crypto/tls"
	"slices"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/record"
)

// An Action is what becomes of a connection.
type Action uint8

// The actions.
const (
	Pass Action = iota
	Lift
	Refuse
)

// String returns the action in lower case.
func (a Action) String() string { return [...]string{"pass", "lift", "refuse"}[a] }

// A Decision says what becomes of a connection and why.
type Decision struct {
	Action Action
	// Why names the rule that chose: "capable" for Pass, else what the client
	// lacks: "hello_format", "tls_version", "cipher_suites",
	// "signature_algorithms" or "groups"; "destination_refused" when an
	// earlier passed hello of this shape was refused by the destination;
	// "opening_differs" when TLS begins differently on the two sides.
	Rule record.Rule
	// Reason says why the connection is refused; empty otherwise.
	Reason record.Reason
}

// A Circumstance is what Decide takes into account beside the hello. Its zero
// value is the default.
type Circumstance struct {
	// Weak are the weak suites that the client may be offered.
	Weak legacytls.WeakSuites
	// RefusedBefore says that the destination has lately refused a passed
	// hello of this shape.
	RefusedBefore bool
	// OpeningDiffers says that one side begins with TLS at once and the other
	// in plaintext: what the destination says first inside TLS is then not
	// what the client expects.
	OpeningDiffers bool
}

// What Microsoft 365 asks of a TLS 1.2 client: ECDHE with AES-GCM, or with
// AES-CBC and SHA-256 or SHA-384. Its certificates are RSA, so ECDSA suites do
// not help.
var capableSuites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
	suiteECDHERSAAES256CBCSHA384,
}

// suiteECDHERSAAES256CBCSHA384 is in RFC 5289; crypto/tls does not have it.
const suiteECDHERSAAES256CBCSHA384 = 0xc028

var capableGroups = []uint16{
	uint16(tls.CurveP256), uint16(tls.CurveP384), uint16(tls.CurveP521), uint16(tls.X25519),
}

// sha2RSASignatures are the signature schemes by which an RSA key can sign
// with SHA-256 or better (RFC 8446 section 4.2.3).
var sha2RSASignatures = []uint16{
	uint16(tls.PKCS1WithSHA256), uint16(tls.PKCS1WithSHA384), uint16(tls.PKCS1WithSHA512),
	uint16(tls.PSSWithSHA256), uint16(tls.PSSWithSHA384), uint16(tls.PSSWithSHA512),
}

var tls13Suites = []uint16{
	tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256,
}

// Decide is the product's rule: a client that could finish a handshake with
// Microsoft 365 by itself is passed; the others are lifted, if their TLS can
// be ended here, and refused if not. It looks at nothing but its arguments.
//
// Where the hello leaves it open, the client is passed: the destination tells,
// and a refused hello is lifted after all.
func Decide(h *clienthello.Hello, c Circumstance) Decision {
	lacks := lacking(h)
	switch {
	case lacks != "":
	case c.OpeningDiffers:
		lacks = record.RuleTLSModeMismatch
	case c.RefusedBefore:
		lacks = record.RuleDestinationRefused
	default:
		return Decision{Action: Pass, Rule: record.RuleCapable}
	}
	if reason := unservable(h, c.Weak); reason != "" {
		return Decision{Action: Refuse, Rule: lacks, Reason: reason}
	}
	return Decision{Action: Lift, Rule: lacks}
}

// lacking names the first thing that keeps the client from finishing a
// handshake with Microsoft 365 by itself; empty when nothing is known to.
func lacking(h *clienthello.Hello) record.Rule {
	switch {
	case h.Format == clienthello.SSLv2:
		return record.RuleHelloFormat
	case h.Offers(tls.VersionTLS13) && overlaps(h.CipherSuites, tls13Suites):
		return ""
	case !h.Offers(tls.VersionTLS12) && !h.Offers(tls.VersionTLS13):
		return record.RuleTLSVersion
	case !overlaps(h.CipherSuites, capableSuites):
		return record.RuleCipherSuites
	case !overlaps(h.SignatureAlgorithms, sha2RSASignatures):
		// Without the extension the client means SHA-1 (RFC 5246 section
		// 7.4.1.4.1).
		return record.RuleSignatureAlgorithms
	case h.HasExtension(extGroups) && !overlaps(h.Groups, capableGroups):
		return record.RuleGroups
	}
	return ""
}

func overlaps(a, b []uint16) bool {
	return slices.ContainsFunc(a, func(x uint16) bool { return slices.Contains(b, x) })
}
