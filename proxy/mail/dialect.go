package mail

import (
	"bytes"

	"github.com/tlslift/tlslift/proxy/record"
)

// A kind says what a command of the client means before TLS.
type kind uint8

const (
	other     kind = iota // everything that needs TLS
	harmless              // forwarded as it is
	hello                 // EHLO and HELO
	startTLS              // STARTTLS, STLS
	quit                  // QUIT, LOGOUT
	badSyntax             // answered with the protocol's syntax error
	auth                  // signs in at the destination
)

// A command is one command, of the client or on its behalf.
type command struct {
	kind kind
	verb string // in upper case
	tag  string // IMAP only
	// name is the client's name for itself, fit to be forwarded; hello only.
	name string
	// line is what is forwarded, without its end.
	line string
	// unsafe means that what follows may not be a command, as after an IMAP
	// literal that does not wait, and after DATA of a client that does not wait.
	unsafe bool
}

// A reply is one whole reply of the destination, of as many lines as it has.
type reply struct {
	lines [][]byte // without their ends
	ok    bool     // it is positive
	// goesOn means that it asks for more, in the dialogue of a sign-in.
	goesOn bool
}

// bytes returns the reply as it is sent, each line with CRLF.
func (r reply) bytes() []byte {
	return append(bytes.Join(r.lines, []byte("\r\n")), '\r', '\n')
}

// A dialect is the wording of one protocol before TLS. It holds no state.
type dialect interface {
	// parse reads a line of the client.
	parse(line []byte) command
	// done reports whether line is the last one of the reply to a command, whose
	// zero value stands for the greeting, and whether the reply is positive. An
	// error means that the line is not valid in the protocol.
	done(cmd command, line []byte, n int) (last, ok bool, err error)
	// offers reports whether a reply lists capabilities, and whether STARTTLS is
	// among them.
	offers(cmd command, r reply) (lists, startTLS bool)
	// adapt changes a reply that lists capabilities to what the client has
	// before its TLS: STARTTLS, and no sign-in unless it may do without TLS.
	adapt(cmd command, r reply, plaintext bool) reply
	// adaptGreeting changes a greeting to what the client has before its TLS;
	// secured means that it was read inside the destination's TLS.
	adaptGreeting(r reply, secured bool) reply
	// startTLSCommand begins TLS on the client's behalf.
	startTLSCommand() command
	// goAhead answers the client's own STARTTLS.
	goAhead(cmd command) string
	// noPlaintext rejects a command that needs TLS.
	noPlaintext(cmd command) string
	// syntaxError answers what is no command.
	syntaxError(cmd command) string

	// offerLogins changes a reply that lists capabilities to how the client may
	// sign in here; cram means CRAM-MD5, too.
	offerLogins(cmd command, r reply, cram bool) reply
	// xoauth2 is the command that signs in at the destination, and its lines: each
	// of them but the first answers a challenge.
	xoauth2(response string) (command, []string)
	// signedIn answers a sign-in, from the destination's reply to ours.
	signedIn(cmd command, r reply) []byte
	// refuseLogin answers a sign-in that has failed.
	refuseLogin(cmd command, f *record.Failure) []byte
	// loginRequired rejects a command that needs a sign-in.
	loginRequired(cmd command) string
	// malformedLogin answers a sign-in that is not one of its mechanism, or that
	// was cancelled.
	malformedLogin(cmd command) string
	// mechanismUnknown answers a sign-in by a mechanism that is not offered.
	mechanismUnknown(cmd command, cram bool) string
}

func dialectOf(p record.Protocol) dialect {
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

// upper is ASCII only: the commands of all three protocols are.
func upper(s string) string { return string(bytes.ToUpper([]byte(s))) }

func trim(s string) string { return string(bytes.Trim([]byte(s), " \t")) }
