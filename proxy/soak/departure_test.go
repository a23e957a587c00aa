package soak

import "github.com/tlslift/tlslift/proxy/record"

// A departure is a way in which a destination departs from what is good.
type departure struct {
	at    stage
	does  deed
	reply string
	want  []record.Reason
}

// fits reports whether a session gets that far.
func (d *departure) fits(p *plan) bool {
	switch d.at {
	case atEHLO, atSTARTTLS:
		return !p.entry.upstreamImplicit() && (p.entry.watched() && (d.at == atEHLO || p.entry.protocol() == record.ProtocolSMTP))
	case atGreeting:
		return p.entry.watched()
	case atMAIL, atRCPT, afterRCPT, atDATA, inBody, atEnd, afterMail:
		return p.mails > 0
	case atHello:
		return !p.noEHLO
	}
	return true
}

// is returns the reasons that are right.
func is(r ...record.Reason) []record.Reason { return r }

// smtpDepartures are those of an SMTP destination, with the texts of Microsoft 365 and
// with some that nobody knows.
var smtpDepartures = []departure{
	{atGreeting, repliesEnds, "421 4.7.0 Too many connections", is(record.ReasonUpstreamRefusedSession)},
	{atGreeting, repliesEnds, "554 5.7.1 go away", is(record.ReasonUpstreamRefusedSession)},
	{atGreeting, closes, "", is(record.ReasonUpstreamClosed, record.ReasonUpstreamCutOff)},
	{atGreeting, resets, "", is(record.ReasonUpstreamClosed, record.ReasonUpstreamCutOff, record.ReasonUpstreamUnreachable)},
	{atGreeting, stalls, "", nil},
	{atEHLO, repliesEnds, "421 4.7.0 Too many connections", is(record.ReasonUpstreamRefusedSession)},
	{atEHLO, closes, "", is(record.ReasonUpstreamClosed)},
	{atSTARTTLS, replies, "454 4.7.0 TLS not available", is(record.ReasonUpstreamNoStartTLS)},
	{atSTARTTLS, resets, "", is(record.ReasonUpstreamClosed)},
	{atHello, repliesEnds, "421 4.3.2 Service not available", is(record.ReasonUpstreamRefusedSession)},
	{atHello, resets, "", is(record.ReasonUpstreamClosed, record.ReasonUpstreamCutOff)},
	{atSignIn, replies, "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled", is(record.ReasonSMTPAuthDisabled)},
	{atSignIn, replies, "535 5.7.3 Authentication unsuccessful", is(record.ReasonSMTPAuthFailed)},
	{atSignIn, replies, "454 4.7.0 Temporary authentication failure", is(record.ReasonSMTPRejected)},
	{atSignIn, replies, "550 5.7.30 Basic authentication is not supported", is(record.ReasonSMTPBasicAuthEnded)},
	{atSignIn, resets, "", is(record.ReasonUpstreamCutOff)},
	{atSignIn, stalls, "", nil},
	{atMAIL, replies, "530 5.7.57 Client was not authenticated to send mail", is(record.ReasonSMTPNotAuthenticated)},
	{atMAIL, replies, "550 5.9.9 unknown words", is(record.ReasonSMTPRejected)},
	{atMAIL, repliesEnds, "421 4.4.2 Connection dropped", is(record.ReasonSMTPRejected, record.ReasonUpstreamCutOff)},
	{atMAIL, fins, "", is(record.ReasonUpstreamCutOff)},
	{atRCPT, replies, "550 5.4.1 Recipient address rejected: Access denied", is(record.ReasonSMTPRecipientUnknown)},
	{atRCPT, replies, "451 4.7.500 Server busy", is(record.ReasonSMTPThrottled)},
	{atRCPT, replies, "550 5.7.9 unknown words", is(record.ReasonSMTPRejected)},
	{atRCPT, closes, "", is(record.ReasonUpstreamCutOff)},
	{afterRCPT, closes, "", is(record.ReasonUpstreamCutOff)},
	{afterRCPT, fins, "", is(record.ReasonUpstreamCutOff)},
	{atDATA, replies, "451 4.3.0 unknown words", is(record.ReasonSMTPRejected)},
	{atDATA, replies, "554 5.7.708 Access denied, traffic not accepted from this IP", is(record.ReasonSMTPAddressBlocked)},
	{atDATA, resets, "", is(record.ReasonUpstreamCutOff)},
	{inBody, closes, "", is(record.ReasonUpstreamCutOff)},
	{inBody, fins, "", is(record.ReasonUpstreamCutOff)},
	{inBody, resets, "", is(record.ReasonUpstreamCutOff)},
	{inBody, stalls, "", nil},
	{inBody, repliesEnds, "421 4.4.1 Connection timed out", is(record.ReasonSMTPRejected, record.ReasonUpstreamCutOff)},
	{atEnd, replies, "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException", is(record.ReasonSMTPSendAsDenied)},
	{atEnd, replies, "550 5.7.60 Client does not have permissions to send as this sender", is(record.ReasonSMTPSendAsDenied)},
	{atEnd, replies, "432 4.3.2 Concurrent connections limit exceeded", is(record.ReasonSMTPTooManyConnections)},
	{atEnd, replies, "554 5.6.211 Invalid MIME Content", is(record.ReasonSMTPRejected)},
	{atEnd, replies, "451 4.9.9 unknown words", is(record.ReasonSMTPRejected)},
	{atEnd, closes, "", is(record.ReasonUpstreamCutOff)},
	{atEnd, fins, "", is(record.ReasonUpstreamCutOff)},
	{atEnd, resets, "", is(record.ReasonUpstreamCutOff)},
	{atEnd, stalls, "", nil},
	{afterMail, resets, "", is()},
	{afterMail, repliesEnds, "421 4.4.2 Connection dropped", is()},
}

// imapDepartures are those of an IMAP destination.
var imapDepartures = []departure{
	{atGreeting, repliesEnds, "* BYE too many connections", is(record.ReasonUpstreamRefusedSession)},
	{atGreeting, closes, "", is(record.ReasonUpstreamClosed, record.ReasonUpstreamCutOff)},
	{atEHLO, closes, "", is(record.ReasonUpstreamClosed)},
	{atSignIn, replies, "NO LOGIN failed.", is(record.ReasonIMAPAuthFailed)},
	{atSignIn, replies, "NO [UNAVAILABLE] later", is(record.ReasonUpstreamRefusedSession)},
	{atSignIn, closes, "", is(record.ReasonUpstreamCutOff)},
	{atSignIn, resets, "", is(record.ReasonUpstreamCutOff)},
	{atSignIn, stalls, "", nil},
	{atCommand, closes, "", is(record.ReasonUpstreamCutOff)},
	{atCommand, fins, "", is(record.ReasonUpstreamCutOff)},
	{atCommand, resets, "", is(record.ReasonUpstreamCutOff)},
	{atCommand, repliesEnds, "* BYE Server shutting down", is(record.ReasonUpstreamCutOff, record.ReasonUpstreamRefusedSession)},
	{inContent, closes, "", is(record.ReasonUpstreamCutOff)},
	{inContent, fins, "", is(record.ReasonUpstreamCutOff)},
	{inContent, resets, "", is(record.ReasonUpstreamCutOff)},
	{inContent, stalls, "", nil},
}

// popDepartures are those of a POP3 destination.
var popDepartures = []departure{
	{atGreeting, repliesEnds, "-ERR too many connections", is(record.ReasonUpstreamRefusedSession)},
	{atGreeting, closes, "", is(record.ReasonUpstreamClosed, record.ReasonUpstreamCutOff)},
	{atEHLO, closes, "", is(record.ReasonUpstreamClosed)},
	{atUSER, replies, "-ERR no such mailbox", is(record.ReasonPOP3AuthFailed)},
	{atSignIn, replies, "-ERR Logon failure: unknown user name or bad password.", is(record.ReasonPOP3AuthFailed)},
	{atSignIn, replies, "-ERR [SYS/TEMP] later", is(record.ReasonUpstreamRefusedSession)},
	{atSignIn, closes, "", is(record.ReasonUpstreamCutOff)},
	{atSignIn, stalls, "", nil},
	{atCommand, closes, "", is(record.ReasonUpstreamCutOff)},
	{atCommand, resets, "", is(record.ReasonUpstreamCutOff)},
	{inContent, closes, "", is(record.ReasonUpstreamCutOff)},
	{inContent, fins, "", is(record.ReasonUpstreamCutOff)},
	{inContent, resets, "", is(record.ReasonUpstreamCutOff)},
	{inContent, stalls, "", nil},
}

// webDepartures are those of a web server.
var webDepartures = []departure{
	{atCommand, fins, "", is(record.ReasonUpstreamCutOff)},
	{atCommand, resets, "", is(record.ReasonUpstreamCutOff)},
	{atCommand, stalls, "", nil},
	{inContent, fins, "", is(record.ReasonUpstreamCutOff)},
	{inContent, resets, "", is(record.ReasonUpstreamCutOff)},
	{inContent, stalls, "", nil},
	{afterAll, fins, "", is()},
}

// handshakeDepartures are those of any destination.
var handshakeDepartures = []departure{
	{atHandshake, wrongName, "", is(record.ReasonUpstreamCertName)},
	{atHandshake, expired, "", is(record.ReasonUpstreamCertExpired)},
	{atHandshake, untrusted, "", is(record.ReasonUpstreamCertUntrusted)},
	{atHandshake, ends, "", nil},
	{atHandshake, resets, "", nil},
	{atHandshake, stalls, "", nil},
}
