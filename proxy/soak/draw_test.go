package soak

import (
	"math/rand/v2"
	"strings"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
)

// oneOf returns one of some values.
func oneOf[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// draw makes the plan of a connection.
func draw(seed uint64, number int) *plan {
	r := rand.New(rand.NewPCG(seed, uint64(number)))
	p := &plan{
		number: number, entry: &entries[r.IntN(len(entries))], mails: r.IntN(4), bdat: r.IntN(4) == 0,
		finish: oneOf(r, quits, quits, quits, quitsFIN, noQuit, abandons, resetAfter), react: oneOf(r, quit, quit, leave, nextOne, again),
		helo: r.IntN(5) == 0, noEHLO: r.IntN(8) == 0, size: 100 << r.IntN(10), second: r.IntN(2) == 0,
	}
	p.drawKind(r)
	if p.kind.hasSession() {
		p.drawEnd(r)
	}
	return p
}

// drawKind chooses a client that fits the entry.
func (p *plan) drawKind(r *rand.Rand) {
	p.kind = oneOf(r, tls10, tls10, tls10, tls11, tls12RSA, tls12RSA, tls12, tls13)
	e := p.entry
	switch n := r.IntN(100); {
	case n < 2:
		p.kind = portCheck
	case n < 4:
		p.kind = healthCheck
	case n < 6:
		p.kind = halfHello
	case n < 8:
		p.kind = garbage
	case n < 10:
		p.kind = oneOf(r, rc4, distrusting)
	case n < 12 && !e.implicit() && e.protocol() == record.ProtocolSMTP:
		p.kind = monitor
	case n < 20 && !e.implicit():
		p.kind = plain // whether or not it is allowed
	case n < 30 && e.plaintext:
		p.kind = plain
	case n < 30 && e.port == 443:
		p.kind = sslv2
	case n == 30:
		p.kind, p.impatient = stalled, true
	case n > 30 && n < 36 && e.scheme == listener.SchemeProxy:
		p.kind = oneOf(r, unreachable, picky)
	}
	if p.kind == stalled && !e.implicit() {
		p.kind, p.impatient = halfHello, false // five minutes for a command are too long for a test
	}
	if p.kind == sslv2 {
		p.finish = quitsFIN
	}
}

// drawEnd chooses how the session ends.
func (p *plan) drawEnd(r *rand.Rand) {
	if p.kind == picky || r.IntN(100) < 35 {
		return // all is well
	}
	if p.drawBreak(r) {
		return
	}
	var all []departure
	switch p.entry.protocol() {
	case record.ProtocolSMTP:
		all = smtpDepartures
	case record.ProtocolIMAP:
		all = imapDepartures
	case record.ProtocolPOP3:
		all = popDepartures
	default:
		all = webDepartures
	}
	if r.IntN(8) == 0 {
		all = handshakeDepartures
	}
	d := all[r.IntN(len(all))]
	if d.does == stalls && r.IntN(6) > 0 { // waiting is expensive
		d.does = resets
		if d.at != atHandshake && d.at != atGreeting {
			d.want = is(record.ReasonUpstreamCutOff)
		}
	}
	if !d.fits(p) {
		return
	}
	p.at, p.does, p.reply, p.want, p.impatient = d.at, d.does, d.reply, d.want, d.does == stalls
	if p.at == atMAIL || p.at == atRCPT || p.at == afterRCPT || p.at == atDATA || p.at == inBody || p.at == atEnd || p.at == afterMail {
		p.nth = r.IntN(p.mails)
	}
	// What is rejected for good is not tried again, and what is to be tried again is, in
	// the same session: nobody else could tell another mail from a second attempt.
	// So it is with 530, after which a client may sign in.
	if isTemporary := strings.HasPrefix(p.reply, "4") || strings.HasPrefix(p.reply, "530"); p.react == again && !isTemporary {
		p.react = nextOne
	} else if p.react == nextOne && isTemporary {
		p.react = again
	}
}

// drawBreak lets some clients break off in the middle of something.
func (p *plan) drawBreak(r *rand.Rand) bool {
	one := r.IntN(3) == 0
	switch p.entry.protocol() {
	case record.ProtocolSMTP:
		if one = one && p.mails > 0; !one {
			return false
		}
		p.finish, p.react = oneOf(r, resetInData, closeInData, finInData, leaveBefore, resetBefore), quit
		if r.IntN(20) == 0 {
			p.finish, p.impatient = silentIn, true
		}
	case record.ProtocolIMAP:
		if one {
			p.finish, p.second = oneOf(r, resetInData, closeInData, finInData, resetInside), true
		}
	default:
		if one && p.kind != sslv2 {
			p.finish = resetInside
		}
	}
	return one
}
