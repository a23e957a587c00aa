package plan

import (
	"crypto/tls"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/decide"
)

// rejected looks for a certificate that the device can read, and for records if it leaves
// only after the handshake: some check the certificate then.
func (p *Plan) rejected(t *Try) {
	quiet := t.Outcome == Silent
	why := "It rejects the certificate."
	if quiet {
		why = "It leaves as soon as TLS is complete, as those do that check the certificate then."
	}
	switch {
	case t.Decision.Action == decide.Pass:
		p.Check, p.Works = Checks, true
		p.end(why + " In service it does not see one of tlslift's: it is passed to Microsoft 365.")
	case p.phase == compat && quiet && !p.quiet: // it comes further than before
		p.nextDrop(withThat)
	case p.imports > 1 || quiet && p.imports > 0:
		p.stillRejected(quiet)
	case p.phase == usual || p.phase == plaintext || p.phase == importing:
		p.quiet, p.left = quiet, compatible(p.options, t)
		for _, c := range p.left {
			c.set(&p.options)
		}
		p.goOn(compat, why, "Press again: now the certificate is one that the oldest devices can read.")
	default:
		p.options.Leaf, p.options.DHBits = p.base.Leaf, p.base.DHBits
		if quiet && p.otherRecords(t) {
			return
		}
		p.options.SplitRecords, p.options.RecordSize = p.base.SplitRecords, p.base.RecordSize
		p.imports++
		p.goOn(importing, "No form of the certificate helps.", "Import tlslift's CA certificate on it, or turn its check of"+
			" certificates off; let it call the server as Microsoft 365 does, if it compares names. Then press again.")
	}
}

// stillRejected ends the test of a device whose certificates cannot be made right here.
func (p *Plan) stillRejected(quiet bool) {
	if !quiet {
		p.Check = Checks
		p.end("It still rejects the certificate.")
		return
	}
	p.end("It still leaves as soon as TLS is complete. Most likely it does not trust tlslift's CA, or compares the name in the" +
		" certificate with the server on its panel: let it call the server as Microsoft 365 does, or turn its check off.")
}

// otherRecords tries other records, if there are some that were not tried yet.
func (p *Plan) otherRecords(t *Try) bool {
	const why = "That was not it."
	switch {
	case !p.split && t.Version == clienthello.VersionName(tls.VersionTLS10) && strings.Contains(t.Suite, "CBC"):
		p.split, p.options.SplitRecords = true, true
		p.goOn(records, why, "Press again: now the first byte comes in a record of its own.")
		return true
	case p.options.RecordSize == 0 && t.Decision.Stack == decide.LegacyStack:
		p.split, p.options.SplitRecords, p.options.RecordSize = true, p.base.SplitRecords, smallRecords
		p.goOn(records, why, "Press again: now it gets small records.")
		return true
	}
	return false
}

const withThat = "With that certificate it works."

// smallRecords is the least that record_size can be.
const smallRecords = 512

func (p *Plan) askForeign(why string) {
	p.goOn(foreign, why, "Press once more: now the certificate is of a CA that nobody trusts, to see whether it checks that.")
}

// takeForeign takes in a try with a certificate that nobody trusts.
func (p *Plan) takeForeign(t *Try) {
	switch {
	case t.Outcome > Silent:
		p.Check = ChecksNot
		p.end("It takes any certificate.")
	case t.Outcome >= Failed: // some check after the handshake
		p.Check = Checks
		p.end("It rejects a certificate of an unknown CA, and takes that of tlslift's.")
	default:
		p.end("It works.")
	}
}

// nextDrop leaves out one property of the certificate after the other.
func (p *Plan) nextDrop(why string) {
	if len(p.left) == 0 {
		p.askForeign(why)
		return
	}
	p.dropped, p.left = p.left[0], p.left[1:]
	p.goOn(dropping, why, "Press again: now "+p.dropped.without()+", to see whether it needs that.")
}

// takeDropped takes in a try without a property.
func (p *Plan) takeDropped(t *Try) {
	if t.Outcome < Silent || t.Outcome == Silent && p.quiet {
		p.nextDrop("It needs that.")
		return
	}
	p.dropped.drop(&p.options, p.base)
	p.keepBest(t)
	p.nextDrop("It does not need that.")
}

// longAgo is the first day of a certificate for a device whose clock is behind.
var longAgo = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
