// Package plan has the plan of a device's test: with what it is served at each press of its
// button, what that has shown, and when enough is known. It is pure.
//
// It offers nothing as an answer that the clients file does not have, or that tlslift could
// not serve.
package plan

import (
	"slices"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sasl"
)

// maxTries bounds the presses of one device.
const maxTries = 24

// A phase is what the plan wants to know next.
type phase int

const (
	usual      phase = iota // does it work as it is?
	plaintext               // has it TLS at all?
	compat                  // does the certificate that most can read help?
	dropping                // which of its properties does it need?
	importing               // does it help to import the CA?
	records                 // does it want other records?
	mechanisms              // which mechanism does it want?
	foreign                 // does it verify certificates?
	done
)

// A Check is whether a device verifies certificates.
type Check int

// The values of Check.
const (
	CheckUnknown Check = iota
	Checks
	ChecksNot
)

// A Plan is the plan of one device. It is not safe for concurrent use.
type Plan struct {
	// Works means that a try has come as far as the device wants to go.
	Works bool
	// Best is the best of the tries with the options that are the answer.
	Best Try
	// Check is whether the device verifies certificates.
	Check Check
	// Never is why tlslift can never serve the device; empty if it can.
	Never record.Reason
	// Why says what has been found last, and Ask what the person at the device is to do.
	Why, Ask string

	base    clientfile.Options // those that the clients file has now
	options clientfile.Options // those that are tried
	phase   phase
	left    []property // that may be dropped
	dropped property   // the one that is left out in this try
	imports int
	quiet   bool // it leaves after the handshake, and not in it
	split   bool // records were split already
	tries   int
}

// New returns the plan of a device with the options of its entry in the clients file.
func New(base clientfile.Options) *Plan {
	return &Plan{base: base, options: base, Ask: "Press."}
}

// Variant returns how the next connection is served.
func (p *Plan) Variant() Variant {
	v := Variant{Options: p.options, AllMechanisms: p.phase == mechanisms, ForeignCA: p.phase == foreign}
	if p.phase == dropping {
		p.dropped.drop(&v.Options, p.base)
	}
	return v
}

// Options returns the options that are the answer so far.
func (p *Plan) Options() clientfile.Options { return p.options }

// Done reports whether enough is known.
func (p *Plan) Done() bool { return p.phase == done }

// Take takes in a try. Tries of another variant than the one that is asked for are of
// connections that were open before, and do not count; neither does a try that falls back
// to an older version after one that failed.
func (p *Plan) Take(t Try) {
	if p.Done() || t.Variant != p.Variant() || t.Outcome == Nothing || fallsBack(&p.Best, &t) {
		return
	}
	if p.tries++; p.tries > maxTries {
		p.end("There were too many tries.")
		return
	}
	switch p.phase {
	case foreign:
		p.takeForeign(&t)
	case dropping:
		p.takeDropped(&t)
	case mechanisms:
		p.takeMechanism(&t)
	default:
		if p.phase == plaintext && t.Hello != nil { // it has TLS after all
			p.options.Plaintext = p.base.Plaintext
		}
		p.take(&t)
	}
}

// fallsBack reports whether a device tries with an older version what has failed with a
// newer one.
func fallsBack(best, t *Try) bool {
	return t.Outcome == Refused && t.Hello != nil && best.Hello != nil &&
		(best.Hello.MaxVersion() > t.Hello.MaxVersion() || t.Reason == record.ReasonInappropriateFallback)
}

// keepBest keeps a try if none was better.
func (p *Plan) keepBest(t *Try) {
	if t.Outcome >= p.Best.Outcome || p.Best.Hello == nil && t.Hello != nil {
		p.Best = *t
	}
}

// take takes in a try with p.options.
func (p *Plan) take(t *Try) {
	p.keepBest(t)
	switch t.Outcome {
	case NoTLS:
		p.withoutTLS(t)
	case Refused:
		p.refused(t)
	case Failed, Silent:
		p.rejected(t)
	case NoSignIn:
		p.goOn(mechanisms, "It has left without signing in.",
			"Press once more: now every way to sign in is offered, to see which one it takes.")
	case Completed:
		p.completed(t)
	}
}

func (p *Plan) goOn(next phase, why, ask string) { p.phase, p.Why, p.Ask = next, why, ask }

func (p *Plan) end(why string) { p.phase, p.Why, p.Ask = done, why, "" }

// withoutTLS asks for TLS, and permits to go without if the device has none.
func (p *Plan) withoutTLS(t *Try) {
	switch {
	case t.OnlyTLS:
		p.goOn(usual, "It waits for the server to speak first, and this port begins with TLS.",
			"Set the encryption to SSL/TLS on its panel, or choose the port for STARTTLS, and press again.")
	case p.phase == plaintext:
		p.end("It has no TLS that works, and did not go on without.")
	default:
		p.options.Plaintext = clientfile.PlaintextAllow
		p.goOn(plaintext, "It does not begin TLS.", "Set the encryption to STARTTLS or SSL/TLS on its panel, and press again."+
			" If it has no such setting, press again as it is: now it may go on without TLS.")
	}
}

// never are the reasons for which no option of the clients file helps.
var never = []record.Reason{
	record.ReasonSSL2Only, record.ReasonSSL3Only, record.ReasonNoSharedVersion, record.ReasonNoSharedCipherSuite,
	record.ReasonInappropriateFallback, record.ReasonALPNMismatch,
}

// refused allows a legacy suite if that is what the device needs.
func (p *Plan) refused(t *Try) {
	switch {
	case slices.Contains(never, t.Reason):
		p.Never = t.Reason
		p.end("tlslift can never serve it: " + t.Reason.Cause())
		return
	case t.Reason != record.ReasonCipherSuiteDisabled || t.Hello == nil:
		p.goOn(usual, t.Reason.Cause(), t.Reason.Remedy()+" Then press again.")
		return
	}
	o := &p.options
	o.RC4 = true
	name := "RC4"
	if decide.Decide(t.Hello, decide.Circumstance{Legacy: legacytls.LegacySuites{RC4: true}}).Stack == decide.NoStack {
		o.RC4, o.DES, name = p.base.RC4, true, "single DES"
	}
	p.goOn(usual, "It offers no cipher suite but those with "+name+", which are turned off.",
		"Press again: now "+name+" is offered to it.")
}

// completed asks whether the device verifies certificates, or which of the properties of
// the certificate it needs.
func (p *Plan) completed(t *Try) {
	p.Works = true
	switch {
	case !t.isSecure():
		p.end("It works without TLS.")
	case p.phase == compat:
		p.nextDrop(withThat)
	default:
		p.askForeign("It works.")
	}
}

// takeMechanism takes in a try in which all mechanisms were offered.
func (p *Plan) takeMechanism(t *Try) {
	p.keepBest(t)
	if t.Outcome < Completed || !t.isSecure() {
		p.Works = p.Works || t.Outcome == Completed
		p.end(mechanismSeen(t))
		return
	}
	p.Works = true
	p.askForeign(mechanismSeen(t))
}

// mechanismSeen says which mechanism a device took when all were offered.
func mechanismSeen(t *Try) string {
	switch m := t.Session.Mechanism; {
	case m == "" && t.Outcome == Completed:
		return "It sends mails without signing in."
	case m == "":
		return "It does not sign in, whatever is offered: turn on the sign-in (SMTP authentication) on its panel."
	case slices.Contains([]string{sasl.Login, sasl.Plain, sasl.CRAMMD5}, m):
		return "It signs in with " + m + "."
	default:
		return "It wants to sign in with " + m + ", which neither Microsoft 365 nor tlslift takes from it: choose LOGIN or PLAIN on its panel."
	}
}
