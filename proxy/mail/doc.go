// Package mail carries sessions of SMTP (RFC 5321, 3207), IMAP (RFC 9051, 3501,
// 2595) and POP3 (RFC 1939, 2595) until their bytes are relayed: the STARTTLS
// negotiation of both sides, and what comes first inside the client's TLS. What is
// said in a lifted session after that is watched by proxy/dialogue.
//
// It forwards only what is harmless before TLS, and never a command that could
// carry credentials or mail. Towards the destination there is no way to go on
// without TLS. Whatever either side sends beyond what it was asked for, before
// TLS begins, ends the session: such bytes could otherwise pass for something
// sent inside TLS (RFC 3207 section 6, CVE-2011-0411).
//
// A Session is one state machine with a phase for each side. session.go has the
// phases and the steps between them, upstream.go the destination's side,
// negotiate.go the client's side before its TLS and resume.go what comes first
// inside it. Where a client signs in here, login.go has that phase, credential.go what
// the client types, and xoauth2.go the sign-in at the destination. The wording of each
// protocol is in proxy/mail/dialect.
package mail
