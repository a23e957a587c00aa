package plan

import (
	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest/sink"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sasl"
)

// A Variant is how a device is served in one try. Variants can be compared.
type Variant struct {
	// Options are those of the clients file.
	Options clientfile.Options
	// AllMechanisms offers every SASL mechanism, also those that tlslift cannot serve, to
	// see which one the device takes.
	AllMechanisms bool
	// ForeignCA signs the certificate with a CA that nobody trusts.
	ForeignCA bool
}

// Mechanisms returns what a variant offers. Otherwise it is what the device would be offered
// in service: by Microsoft 365, or by tlslift if that signs in for it.
func (v Variant) Mechanisms(p record.Protocol, signsIn bool) []string {
	switch {
	case v.AllMechanisms:
		return []string{sasl.Login, sasl.Plain, sasl.CRAMMD5, "DIGEST-MD5", "NTLM", "GSSAPI", "XOAUTH2"}
	case signsIn || p != record.ProtocolSMTP:
		return []string{sasl.Plain, sasl.Login}
	}
	return []string{sasl.Login, "XOAUTH2"}
}

// An Outcome is how far a try has come.
type Outcome int

// The outcomes, from worst to best.
const (
	Nothing   Outcome = iota // it said nothing that belongs to a protocol
	NoTLS                    // it left before TLS, or goes on without
	Refused                  // tlslift refuses its ClientHello
	Failed                   // the handshake failed
	Silent                   // TLS was complete, and it left without a word
	NoSignIn                 // it spoke, and neither signed in nor sent a mail
	Completed                // it signed in or sent a mail; of others, a request came
)

// A Try is what one connection of a device has shown.
type Try struct {
	Variant  Variant
	Listener string // its URL
	Protocol record.Protocol
	Outcome  Outcome
	// Reason is why it failed; empty if it did not.
	Reason record.Reason
	Detail string
	// Hello is nil if there was none, and Decision what tlslift does with it.
	Hello       *clienthello.Hello
	Decision    decide.Decision
	ImplicitTLS bool
	// OnlyTLS means that the listener takes nothing but implicit TLS.
	OnlyTLS bool
	// Version and Suite were agreed on.
	Version, Suite string
	// ECDSA and SHA1 describe the certificate that the device was sent.
	ECDSA, SHA1 bool
	// Session is that of mail, and UserAgent what an HTTP client calls itself.
	Session   sink.Seen
	UserAgent string
}

// isSecure reports whether TLS was complete.
func (t *Try) isSecure() bool { return t.Version != "" }
