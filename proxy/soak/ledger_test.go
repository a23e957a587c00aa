package soak

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// A colour is what a record has to say.
type colour string

// The colours.
const (
	red   colour = "red"   // failing, with a reason
	green colour = "green" // no reason at all
	calm  colour = "calm"  // not failing
	// Unknown: nothing is known that would make one of the others right, for example TLS that is
	// passed and whose content nobody sees.
	unknown colour = "unknown"
)

// A truth is what is right for one connection.
type truth struct {
	colour   colour
	reasons  []record.Reason // for red; nil means any that is failing
	lost     int             // mails that the client tried to send and the destination did not accept
	accepted int             // mails that it accepted, in sessions that tlslift sees
}

// judge says what is right, by what both ends know. Passed means that tlslift saw no
// content.
func judge(p *plan, c *clientFacts, d *farFacts, passed bool) truth {
	t := truth{colour: unknown}
	for _, id := range c.tried {
		switch {
		case !d.answered[id]:
			t.lost++
		case !passed:
			t.accepted++
		}
	}
	switch {
	case !p.kind.hasSession():
		t.colour, t.reasons = withoutSession(p)
	case passed:
		t.colour, t.reasons = ofPassed(c, d)
	case p.kind == plain && !p.entry.plaintext:
		t.colour = red
		if !d.departed {
			t.reasons = is(record.ReasonPlaintextNotAllowed)
		}
	case p.kind == sslv2 && p.entry.bySNI:
		t.colour, t.reasons = red, is(record.ReasonNoServerName) // there is none in such a hello
	case !p.entry.watched():
		t.colour, t.reasons = ofUnwatched(p, c, d)
	default:
		t.colour, t.reasons = ofSession(p, c, d, t.lost)
	}
	return t
}

// withoutSession is what is right for clients that get nowhere.
func withoutSession(p *plan) (colour, []record.Reason) {
	switch p.kind {
	case halfHello:
		return red, is(record.ReasonHelloTruncated)
	case stalled:
		return red, is(record.ReasonHelloTimeout)
	case rc4:
		return red, is(record.ReasonCipherSuiteDisabled)
	case distrusting:
		return red, is(record.ReasonClientBadCertificate, record.ReasonClientUnknownCA)
	case unreachable:
		return red, is(record.ReasonUpstreamRefused)
	case garbage:
		return red, is(record.ReasonNotTLS, record.ReasonCommandAfterStartTLS)
	}
	return calm, nil
}

// ofPassed is what is right where tlslift sees no content.
func ofPassed(c *clientFacts, d *farFacts) (colour, []record.Reason) {
	if c.whole && d.whole {
		return green, nil
	}
	return unknown, nil
}

// ofUnwatched is what is right where tlslift sees content and does not read it.
func ofUnwatched(p *plan, c *clientFacts, d *farFacts) (colour, []record.Reason) {
	switch {
	case p.kind == picky && !c.begun:
		return unknown, nil
	case d.departed && p.does == stalls && p.entry.port != 443 && p.at != atHandshake, d.departed && p.at == afterAll:
		// A connection that is kept open looks like the one, and an answer that is cut off
		// like the other, unless one reads what is inside.
		return unknown, nil
	case d.departed && (p.does == fins || p.does == resets || p.does == stalls || p.at == atHandshake):
		return red, p.reasons()
	case c.broke && (p.finish == resetInData || p.finish == resetInside):
		return red, ofBroken(p)
	case c.whole && d.whole && (p.finish != resetAfter || p.entry.port == 443): // it reads to the end
		return green, nil
	}
	return unknown, nil
}

// ofSession is what is right where tlslift reads the dialogue.
func ofSession(p *plan, c *clientFacts, d *farFacts, lost int) (colour, []record.Reason) {
	early := []stage{atGreeting, atEHLO, atSTARTTLS, atHandshake, atHello}
	isMail := p.entry.protocol() == record.ProtocolSMTP
	switch {
	case d.departed && (slices.Contains(early, p.at) || !isMail || p.at == atSignIn && p.does != replies), d.refused:
		return red, p.reasons()
	case c.broke:
		return red, ofBroken(p)
	case lost > 0:
		return red, p.reasons()
	case c.whole:
		return green, nil
	}
	return unknown, nil
}

// ofBroken are the reasons of a client that breaks off.
func ofBroken(p *plan) []record.Reason {
	if p.finish == silentIn {
		return is(record.ReasonIdleTimeout, record.ReasonClientCutOff)
	}
	return is(record.ReasonClientCutOff)
}

// reasons are those for what the destination does.
func (p *plan) reasons() []record.Reason {
	if p.does == stalls {
		return is(record.ReasonIdleTimeout, record.ReasonUpstreamTimeout, record.ReasonUpstreamCutOff)
	}
	return p.want
}

// check compares a record with the truth.
func (t *truth) check(r *record.Record) error {
	switch {
	case t.lost > 0 && t.colour == red && !r.Failing():
		return fmt.Errorf("%d mails are lost, and the record is %s %q", t.lost, r.Outcome, r.Reason)
	case t.colour == red && !r.Failing():
		return fmt.Errorf("it failed, and the record is %s %q", r.Outcome, r.Reason)
	case t.colour == red && len(t.reasons) > 0 && !slices.Contains(t.reasons, r.Reason):
		return fmt.Errorf("the record is %s %s (%v), want %s", r.Outcome, r.Reason, r.Err, join(t.reasons))
	case t.colour == green && r.Reason != "", t.colour == calm && r.Failing():
		return fmt.Errorf("all went well, and the record is %s %s (%v)", r.Outcome, r.Reason, r.Err)
	case t.accepted != r.Accepted:
		return fmt.Errorf("%d mails were accepted, and the record has %d", t.accepted, r.Accepted)
	}
	return nil
}

func join(reasons []record.Reason) string {
	var b strings.Builder
	for i, r := range reasons {
		if i > 0 {
			b.WriteString(" or ")
		}
		b.WriteString(string(r))
	}
	return b.String()
}
