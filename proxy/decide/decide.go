// Package decide has the product's rule: which client is passed, which is lifted
// and which is refused, and which TLS stack ends the TLS of a client that is
// lifted. It is pure: it looks at nothing but its arguments, and its table test is
// the specification.
package decide

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

// A Decision says what becomes of a connection, and by which rule.
type Decision struct {
	Action Action
	Rule   record.Rule
	// Stack is what ends the client's TLS if it is lifted, also after it was
	// passed and the destination has refused it. It is NoStack if nothing can.
	Stack Stack
	// Reason says why the connection is refused; empty otherwise.
	Reason record.Reason
}

// Capable reports whether the hello itself lacks nothing that Microsoft 365 asks
// for.
func (d Decision) Capable() bool {
	switch d.Rule {
	case record.RuleCapable, record.RuleDestinationRefused, record.RuleTLSModeMismatch, record.RuleSignIn, record.RuleServerName:
		return true
	}
	return false
}

// A Circumstance is what Decide takes into account beside the hello. Its zero
// value is the default.
type Circumstance struct {
	// Legacy are the legacy suites that the client may be offered.
	Legacy legacytls.LegacySuites
	// LeafBits is the length of the RSA key that the client sees; zero means 2048.
	LeafBits int
	// RefusedBefore means that the destination has lately refused a passed
	// hello with this fingerprint key.
	RefusedBefore bool
	// OtherRefusedBefore means that it has lately refused some passed hello of this
	// client: that is what the client may fall back from.
	OtherRefusedBefore bool
	// TLSModeMismatch means that one side uses implicit TLS and the other
	// STARTTLS (RFC 8314): what the destination says first inside TLS is then not
	// what the client expects.
	TLSModeMismatch bool
	// SignIn means that sign-in is configured for the client: what it says inside
	// its TLS is answered here.
	SignIn bool
	// ForeignServerName means that the client's server name is not that of an allowed
	// host, or cannot be read: by it the destination's edge could lead a passed client
	// to somebody else.
	ForeignServerName bool
	// Mail is the mail protocol of the destination; empty if it is none. A client that
	// offers others only (ALPN) was led astray.
	Mail record.Protocol
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

// Decide passes a client that could finish a handshake with Microsoft 365 by
// itself. It lifts the others if their TLS can be ended here, and refuses them if
// not.
//
// Where the hello leaves it open, the client is passed: the destination decides,
// and a client whose hello it refuses is lifted after all.
//
// A client that falls back from TLS 1.3 is refused if it cannot be passed (RFC 7507
// section 3), since we serve TLS 1.3: it must try that again. It is lifted where the
// destination has refused a hello of it. Such a client has a reason to fall back, and
// repeats what was refused if it is told not to. Below TLS 1.2 no reason is good enough.
func Decide(h *clienthello.Hello, c Circumstance) Decision {
	d := Decision{Action: Lift, Rule: lacking(h), Stack: stackFor(h, c.Legacy, c.LeafBits)}
	reason := unservable(h, c.Legacy, c.LeafBits)
	if reason != "" {
		d.Stack = NoStack
	}
	if c.Mail != "" && len(h.ALPN) > 0 && !slices.Contains(h.ALPN, string(c.Mail)) {
		d.Action, d.Reason, d.Stack = Refuse, record.ReasonALPNMismatch, NoStack
		return d
	}
	switch {
	case d.Rule != record.RuleCapable:
	case c.SignIn:
		d.Rule = record.RuleSignIn
	case c.TLSModeMismatch:
		d.Rule = record.RuleTLSModeMismatch
	case c.ForeignServerName:
		d.Rule = record.RuleServerName
	case c.RefusedBefore:
		d.Rule = record.RuleDestinationRefused
	default:
		d.Action = Pass
		return d
	}
	if reason == "" && fallsBack(h) && !c.RefusedBefore && !c.OtherRefusedBefore {
		reason = record.ReasonInappropriateFallback
	}
	if reason != "" {
		d.Action, d.Reason, d.Stack = Refuse, reason, NoStack
	}
	return d
}

// lacking returns the first rule that keeps the client from finishing a handshake
// with Microsoft 365 by itself, or RuleCapable.
func lacking(h *clienthello.Hello) record.Rule {
	switch {
	case h.Format == clienthello.SSLv2:
		return record.RuleHelloFormat
	case h.Offers(tls.VersionTLS13) && overlap(h.CipherSuites, tls13Suites):
		return record.RuleCapable
	case !h.Offers(tls.VersionTLS12) && !h.Offers(tls.VersionTLS13):
		return record.RuleTLSVersion
	case !overlap(h.CipherSuites, capableSuites):
		return record.RuleCipherSuites
	case !overlap(h.SignatureAlgorithms, sha2RSASignatures):
		// Without the extension the client means SHA-1 (RFC 5246 section
		// 7.4.1.4.1).
		return record.RuleSignatureAlgorithms
	case h.HasExtension(extGroups) && !overlap(h.Groups, capableGroups):
		return record.RuleGroups
	}
	return record.RuleCapable
}

func overlap(a, b []uint16) bool {
	return slices.ContainsFunc(a, func(x uint16) bool { return slices.Contains(b, x) })
}
