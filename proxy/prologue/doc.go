// Package prologue carries the plaintext opening of SMTP (RFC 5321, 3207),
// IMAP (RFC 9051, 3501, 2595) and POP3 (RFC 1939, 2595): what is said between
// the greeting and the moment at which TLS begins, or at which a client that
// may do without TLS goes on without it.
//
// It forwards only what is harmless before TLS, and never a command that could
// carry credentials or mail. Towards the destination there is no way to go on
// without TLS. Whatever either side sends beyond what it was asked for, before
// TLS begins, ends the session: such bytes could otherwise pass for something
// said inside TLS (RFC 3207 section 6, CVE-2011-0411).
//
// The order of events is in session.go; smtp.go, imap.go and pop3.go say how
// each protocol words it.
package prologue
