package dialect

import (
	"bytes"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Kind says what a command of the client means before TLS.
type Kind uint8

// The kinds of commands.
const (
	Other     Kind = iota // everything that needs TLS
	Harmless              // forwarded as it is
	Hello                 // EHLO and HELO
	StartTLS              // STARTTLS, STLS
	Quit                  // QUIT, LOGOUT
	BadSyntax             // answered with the protocol's syntax error
	Auth                  // signs in at the destination
)

// A Command is one command, of the client or on its behalf.
type Command struct {
	Kind Kind
	Verb string // in upper case
	Tag  string // IMAP only
	// Name is the client's name for itself, fit to be forwarded; Hello only.
	Name string
	// Line is what is forwarded, without its end.
	Line string
	// Unsafe means that what follows may not be a command, as after an IMAP
	// literal that does not wait, and after DATA of a client that does not wait.
	Unsafe bool
}

// Shown returns the verb for an error, if it is one that a client is expected to send
// before it is signed in. Any other word may be a part of a password.
func (c Command) Shown() string {
	switch c.Verb {
	case "MAIL", "RCPT", "DATA", "BDAT", "LOGIN", "AUTHENTICATE", "APPEND", "ID":
		return c.Verb
	}
	return "a command"
}

// A Reply is one whole reply of the destination, of as many lines as it has.
type Reply struct {
	Lines [][]byte // without their ends
	OK    bool     // it is positive
	// GoesOn means that it asks for more, in the dialogue of a sign-in.
	GoesOn bool
}

// Bytes returns the reply as it is sent, each line with CRLF.
func (r Reply) Bytes() []byte {
	return append(bytes.Join(r.Lines, []byte("\r\n")), '\r', '\n')
}

// last returns the last line; nil if there is none.
func (r Reply) last() []byte {
	if len(r.Lines) == 0 {
		return nil
	}
	return r.Lines[len(r.Lines)-1]
}

// A Dialect is the wording of one protocol. It holds no state.
type Dialect interface {
	// Parse reads a line of the client.
	Parse(line []byte) Command
	// Done reports whether line is the last one of the reply to a command, whose
	// zero value stands for the greeting, and whether the reply is positive. An
	// error means that the line is not valid in the protocol.
	Done(cmd Command, line []byte, n int) (last, ok bool, err error)
	// Closes reports whether the destination closes the session with a reply, of which
	// the end may be missing.
	Closes(r Reply) bool
	// SyntaxError answers what is no command.
	SyntaxError(cmd Command) string
	Negotiation
	Login
}

// A Negotiation is the wording of a protocol before TLS.
type Negotiation interface {
	// Offers reports whether a reply lists capabilities, and whether STARTTLS is
	// among them.
	Offers(cmd Command, r Reply) (lists, startTLS bool)
	// Adapt changes a reply that lists capabilities to what the client has
	// before its TLS: STARTTLS, and no sign-in unless it may do without TLS.
	Adapt(cmd Command, r Reply, plaintext bool) Reply
	// AdaptGreeting changes a greeting to what the client has before its TLS;
	// secured means that it was read inside the destination's TLS.
	AdaptGreeting(r Reply, secured bool) Reply
	// StartTLSCommand begins TLS on the client's behalf.
	StartTLSCommand() Command
	// GoAhead answers the client's own STARTTLS.
	GoAhead(cmd Command) string
	// NoPlaintext rejects a command that needs TLS.
	NoPlaintext(cmd Command) string
}

// A Login is the wording of a protocol where the client signs in here, and the session
// signs in for it at the destination.
type Login interface {
	// OfferLogins changes a reply that lists capabilities to how the client may
	// sign in here; cram means CRAM-MD5, too.
	OfferLogins(cmd Command, r Reply, cram bool) Reply
	// XOAUTH2 is the command that signs in at the destination, and its lines: each
	// of them but the first answers a challenge.
	XOAUTH2(response string) (Command, []string)
	// SignedIn answers a sign-in, from the destination's reply to ours.
	SignedIn(cmd Command, r Reply) []byte
	// RefuseLogin answers a sign-in that has failed.
	RefuseLogin(cmd Command, f *record.Failure) []byte
	// StartTLSTooLate rejects STARTTLS inside TLS, and of a client that signs in without.
	StartTLSTooLate(cmd Command) string
	// NeedsLogin reports whether a command is one of a client that should have signed in.
	NeedsLogin(cmd Command) bool
	// LoginRequired rejects a command that needs a sign-in.
	LoginRequired(cmd Command) string
	// MalformedLogin answers a sign-in that is not one of its mechanism, or that
	// was cancelled.
	MalformedLogin(cmd Command) string
	// SignedInAlready rejects a sign-in after another one.
	SignedInAlready(cmd Command) string
	// MechanismUnknown answers a sign-in by a mechanism that is not offered.
	MechanismUnknown(cmd Command, cram bool) string
}

// Of returns the dialect of SMTP, IMAP or POP3.
func Of(p record.Protocol) Dialect {
	switch p {
	case record.ProtocolSMTP:
		return smtp{}
	case record.ProtocolIMAP:
		return imap{}
	}
	return pop3{}
}

// cutWord splits off the first word of a line, in upper case.
func cutWord(line string) (word, rest string) {
	for i := range len(line) {
		if line[i] == ' ' || line[i] == '\t' {
			return upper(line[:i]), trim(line[i:])
		}
	}
	return upper(line), ""
}

// upper is ASCII only: the commands of all three protocols are. In Unicode other letters
// have the upper case of an S or an I, too.
func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

func trim(s string) string { return string(bytes.Trim([]byte(s), " \t")) }
