// Package dialect has the wording of SMTP (RFC 5321, 3207, 4954), IMAP (RFC 9051, 3501,
// 2595) and POP3 (RFC 1939, 2595, 5034): what a line means before TLS and while a client
// signs in, and what is answered. It reads and writes nothing, and keeps no state:
// proxy/mail has the sessions.
//
// dialect.go says what a dialect can do. smtp.go, imap.go and pop3.go have the wording
// before TLS, login.go that of a sign-in and loginargs.go the arguments of one.
package dialect
