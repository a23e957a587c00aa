package soak

import (
	"fmt"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
)

// An entry is how clients reach tlslift: a listener of each worker, and where it
// leads.
type entry struct {
	name      string
	scheme    listener.Scheme
	port      uint16 // of the destination
	plaintext bool   // ?plaintext=allow
	bySNI     bool   // the listener has no destination of its own
}

// The entries.
var entries = []entry{
	{name: "CONNECT to 443", scheme: listener.SchemeProxy, port: 443},
	{name: "CONNECT to 587", scheme: listener.SchemeProxy, port: 587},
	{name: "CONNECT to 993", scheme: listener.SchemeProxy, port: 993},
	{name: "tls to 443", scheme: listener.SchemeTLS, port: 443},
	{name: "tls by server name", scheme: listener.SchemeTLS, port: 443, bySNI: true},
	{name: "redirected to 443", scheme: listener.SchemeRedirect, port: 443, bySNI: true},
	{name: "redirected to 993", scheme: listener.SchemeRedirect, port: 993, bySNI: true},
	{name: "smtp to 587", scheme: listener.SchemeSMTP, port: 587},
	{name: "smtp to 587, plaintext allowed", scheme: listener.SchemeSMTP, port: 587, plaintext: true},
	{name: "smtp to 465", scheme: listener.SchemeSMTP, port: 465},
	{name: "smtps to 587", scheme: listener.SchemeSMTPS, port: 587},
	{name: "smtps to 465", scheme: listener.SchemeSMTPS, port: 465},
	{name: "imap to 143", scheme: listener.SchemeIMAP, port: 143},
	{name: "imap to 993", scheme: listener.SchemeIMAP, port: 993},
	{name: "imap to 993, plaintext allowed", scheme: listener.SchemeIMAP, port: 993, plaintext: true},
	{name: "imaps to 993", scheme: listener.SchemeIMAPS, port: 993},
	{name: "pop3 to 110", scheme: listener.SchemePOP3, port: 110},
	{name: "pop3 to 995, plaintext allowed", scheme: listener.SchemePOP3, port: 995, plaintext: true},
	{name: "pop3s to 995", scheme: listener.SchemePOP3S, port: 995},
}

// protocol returns what is spoken through the entry; ProtocolTLS is a web server.
func (e *entry) protocol() record.Protocol {
	switch e.port {
	case 443:
		return record.ProtocolTLS
	case 993, 143:
		return record.ProtocolIMAP
	case 995, 110:
		return record.ProtocolPOP3
	}
	return record.ProtocolSMTP
}

// watched reports whether tlslift knows that it is mail.
func (e *entry) watched() bool { return e.port != 443 }

// implicit reports whether the client begins with TLS.
func (e *entry) implicit() bool {
	return e.scheme.ImplicitTLS() || e.scheme == listener.SchemeRedirect || e.scheme == listener.SchemeProxy && e.port != 587
}

// upstreamImplicit reports whether the destination does.
func (e *entry) upstreamImplicit() bool {
	return e.port == 443 || e.port == 465 || e.port == 993 || e.port == 995
}

// A kind is what a client is.
type kind string

// The kinds. Those up to plain have a whole session with the destination.
const (
	tls10       kind = "TLS 1.0"
	tls11       kind = "TLS 1.1"
	tls12RSA    kind = "TLS 1.2 with RSA key exchange"
	tls12       kind = "TLS 1.2"
	tls13       kind = "TLS 1.3"
	sslv2       kind = "hello in SSLv2 format"
	plain       kind = "no TLS"
	rc4         kind = "RC4 only"
	distrusting kind = "does not trust the CA"
	garbage     kind = "garbage"
	halfHello   kind = "half a hello"
	stalled     kind = "half a hello and silence"
	portCheck   kind = "connect and close"
	monitor     kind = "EHLO and QUIT"
	healthCheck kind = "health check of a balancer"
	unreachable kind = "to a destination that refuses connections"
	picky       kind = "to a destination that refuses its hello"
)

// A stage is where in a session a destination departs from what is good.
type stage string

// The stages.
const (
	never       stage = ""
	atGreeting  stage = "greeting"
	atEHLO      stage = "EHLO before TLS"
	atSTARTTLS  stage = "STARTTLS"
	atHandshake stage = "handshake"
	atHello     stage = "EHLO inside TLS"
	atSignIn    stage = "sign-in"
	atUSER      stage = "USER"
	atMAIL      stage = "MAIL"
	afterRCPT   stage = "after RCPT"
	atRCPT      stage = "RCPT"
	atDATA      stage = "DATA"
	inBody      stage = "after 354"
	atEnd       stage = "end of DATA"
	afterMail   stage = "after a mail was accepted"
	atCommand   stage = "before the reply to a command"
	inContent   stage = "inside the content"
	afterAll    stage = "after everything"
)

// A deed is what it then does.
type deed string

// The deeds. The last four are of the handshake.
const (
	replies     deed = "replies"
	repliesEnds deed = "replies and closes"
	closes      deed = "closes" // properly
	fins        deed = "ends without close_notify"
	resets      deed = "resets"
	stalls      deed = "stalls"
	wrongName   deed = "has a certificate for another name"
	expired     deed = "has an expired certificate"
	untrusted   deed = "has an untrusted certificate"
	ends        deed = "closes in the handshake"
)

// A finish is how a client ends its session.
type finish string

// The finishes. Those from resetInData on break something off.
const (
	quits       finish = "quits"
	quitsFIN    finish = "quits, no close_notify"
	noQuit      finish = "closes without QUIT"
	abandons    finish = "closes without waiting for the answer to QUIT"
	resetAfter  finish = "resets after the last reply"
	resetInData finish = "resets in a mail"
	closeInData finish = "closes in a mail"
	finInData   finish = "FIN in a mail"
	silentIn    finish = "falls silent in a mail"
	resetInside finish = "resets inside the content that it reads"
	leaveBefore finish = "closes between RCPT and DATA"
	resetBefore finish = "resets between RCPT and DATA"
)

// A reaction is what an SMTP client does after a rejection.
type reaction uint8

// The reactions.
const (
	quit    reaction = iota
	leave            // closes at once
	nextOne          // goes on with the next mail
	again            // tries the same mail again
)

// A plan is what one connection is to do. The same number and seed make the same plan.
type plan struct {
	number    int
	impatient bool // through a tlslift with short timeouts
	entry     *entry
	kind      kind
	mails     int // of an SMTP client
	bdat      bool
	at        stage
	does      deed
	nth       int             // the mail or attempt at which it does so
	reply     string          // its words
	want      []record.Reason // what they are for tlslift; nil for what follows from the deed
	finish    finish
	react     reaction
	helo      bool // inside TLS
	noEHLO    bool // it does not repeat its EHLO after STARTTLS
	size      int  // of the content
	second    bool // variants of a kind
}

// String says what it does, as the end of a connection is named in the table.
func (p *plan) String() string {
	return fmt.Sprintf("connection %d: %s, %s, %d mails, destination: %s; %s", p.number, p.entry.name, p.kind, p.mails, p.end(), p.finish)
}

// end names the kind of end.
func (p *plan) end() string {
	switch {
	case !p.kind.hasSession(), p.kind == picky:
		return "client: " + string(p.kind)
	case p.at != never:
		text := ""
		if p.reply != "" {
			text = fmt.Sprintf(" %.12q", p.reply)
		}
		return fmt.Sprintf("%s: %s %s%s", p.entry.protocol(), p.at, p.does, text)
	}
	return fmt.Sprintf("%s: client %s", p.entry.protocol(), p.finish)
}

// hasSession reports whether such a client has a session with the destination.
func (k kind) hasSession() bool {
	switch k {
	case tls10, tls11, tls12RSA, tls12, tls13, sslv2, plain, picky:
		return true
	}
	return false
}
