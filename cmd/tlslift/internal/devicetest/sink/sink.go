// Package sink is the mail server that a device talks to while it is tested: the server's
// side of SMTP, IMAP and POP3 that takes every sign-in and throws every mail away.
//
// It keeps no mail and no password, and opens no connection. What it notes of a session is what
// an administrator needs to know of the device.
package sink

import (
	"bufio"
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/mail/dialect"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sasl"
	"github.com/tlslift/tlslift/proxy/smtptext"
)

// Limits of a session.
const (
	// maxMail is the largest mail that is taken, as at Microsoft 365.
	maxMail     = 157286400
	maxBytes    = 2 * maxMail
	maxCommands = 2000
	maxNoted    = 40  // commands
	maxValue    = 256 // bytes of a name that is shown
	maxLine     = smtptext.MaxLine
)

// A Password is how long a password is, as a range. Many devices cut off what is longer
// than their field.
type Password string

// passwordOf returns the class of a password.
func passwordOf(s string) Password {
	switch n := len(s); {
	case n == 0:
		return "empty"
	case n <= 8:
		return "1 to 8 bytes"
	case n <= 16:
		return "9 to 16 bytes"
	case n <= 20:
		return "17 to 20 bytes"
	case n <= 32:
		return "21 to 32 bytes"
	case n <= 64:
		return "33 to 64 bytes"
	}
	return "more than 64 bytes"
}

// A Seen is what a device has shown in its session.
type Seen struct {
	// Hello is how it greets, "EHLO" or "HELO", and Name what it calls itself.
	Hello, Name string
	Again       bool     // it greets again inside TLS
	Commands    []string // the verbs that are known, in order
	Inside      int      // how many commands came inside TLS
	StartTLS    bool     // it has asked for TLS
	Refused     bool     // something that needs TLS was refused
	Mechanism   string   // by which it has signed in, or has tried to
	SignedIn    bool
	User        string
	Password    Password // empty if it has sent none that can be measured
	Mails       int
	MailBytes   int64
	LongestLine int // of mails, without the line's end
	BareLF      bool
	EightBit    bool // bytes above 127
	BDAT        bool
	Quit        bool
}

// Spoke reports whether the device has sent a command.
func (s *Seen) Spoke() bool { return len(s.Commands) > 0 }

// An End is how a session has come to an end.
type End int

// The ends of a session.
const (
	Closed   End = iota // by the device, or a limit
	StartTLS            // the next bytes of the device begin TLS
)

// A Session is the server's side of one session, before TLS and inside it. Its zero values
// are the defaults.
type Session struct {
	Protocol record.Protocol
	// Host is what the server calls itself.
	Host string
	// Mechanisms are those that are offered.
	Mechanisms []string
	// Plaintext takes sign-ins and mails without TLS.
	Plaintext bool
	// Secure means that TLS has begun.
	Secure bool
	// Idle is how long the device may say nothing; required.
	Idle time.Duration
	// Seen is what the device has shown so far.
	Seen Seen

	wire
	words    dialect.Dialect
	pop3User string
	pieces   int64 // bytes of the mail whose pieces come by BDAT
	ended    bool
}

// Serve talks with the device until it asks for TLS or the session ends. The greeting is
// sent unless the session goes on inside TLS after STARTTLS. The error is that of the
// connection; nil if the device has said that it ends.
func (s *Session) Serve(conn net.Conn, in *bufio.Reader) (End, error) {
	s.wire = wire{conn: conn, in: in, idle: s.Idle, bytes: s.bytes}
	s.words = dialect.Of(s.Protocol)
	if !s.Seen.StartTLS {
		if err := s.say(greeting(s.Protocol, cmp.Or(s.Host, "tlslift"))); err != nil {
			return Closed, err
		}
	}
	for range maxCommands {
		line, err := s.line()
		if err != nil {
			return Closed, err
		}
		cmd := s.words.Parse(line)
		s.note(cmd)
		if cmd.Kind == dialect.StartTLS && !s.Secure && !s.Seen.SignedIn {
			s.Seen.StartTLS = true
			return StartTLS, s.say(s.words.GoAhead(cmd))
		}
		if err := s.answer(cmd, string(line)); err != nil {
			return Closed, err
		}
		if s.ended {
			return Closed, nil
		}
	}
	return Closed, errTooMuch
}

// answer carries out one command.
func (s *Session) answer(cmd dialect.Command, line string) error {
	switch {
	case cmd.Kind == dialect.Quit:
		s.Seen.Quit, s.ended = true, true
	case cmd.Kind == dialect.StartTLS:
		return s.say(s.words.StartTLSTooLate(cmd))
	case cmd.Kind == dialect.BadSyntax:
		return s.say(s.words.SyntaxError(cmd))
	}
	switch s.Protocol {
	case record.ProtocolSMTP:
		return s.smtp(cmd, line)
	case record.ProtocolIMAP:
		return s.imap(cmd, line)
	}
	return s.pop3(cmd, line)
}

// mayGoOn reports whether a command that needs TLS may be carried out. Otherwise it is
// refused as tlslift would refuse it.
func (s *Session) mayGoOn(cmd dialect.Command) (bool, error) {
	if s.Secure || s.Plaintext {
		return true, nil
	}
	s.Seen.Refused = true
	return false, s.say(s.words.NoPlaintext(cmd))
}

// known are the verbs that may be shown. Any other word may be a part of a password.
var known = strings.Fields(`EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP CAPABILITY LOGIN AUTHENTICATE
	LOGOUT ID SELECT EXAMINE LIST LSUB STATUS FETCH SEARCH STORE COPY UID IDLE CLOSE EXPUNGE APPEND NAMESPACE ENABLE CHECK
	SUBSCRIBE CREATE CAPA STLS USER PASS APOP STAT UIDL RETR TOP DELE`)

func (s *Session) note(cmd dialect.Command) {
	verb := "?"
	if slices.Contains(known, cmd.Verb) {
		verb = cmd.Verb
	}
	if s.Secure {
		s.Seen.Inside++
	}
	if len(s.Seen.Commands) < maxNoted {
		s.Seen.Commands = append(s.Seen.Commands, verb)
	}
	if cmd.Kind == dialect.Hello {
		s.Seen.Hello, s.Seen.Name = cmd.Verb, netname.Text(cmd.Name, maxValue)
		s.Seen.Again = s.Seen.Again || s.Secure && s.Seen.StartTLS
	}
}

// signIn carries out AUTH and AUTHENTICATE: it asks for what the mechanism needs. Prompt
// begins the line of a challenge. It reports whether the device has signed in.
func (s *Session) signIn(cmd dialect.Command, line, prompt string) (bool, error) {
	mechanism, initial := dialect.Mechanism(cmd, line)
	s.Seen.Mechanism = sasl.Shown(mechanism)
	exchange := sasl.NewExchange(mechanism)
	if exchange == nil || !slices.Contains(s.Mechanisms, mechanism) {
		return false, s.say(mechanismUnknown(s.Protocol, cmd))
	}
	var response []byte
	var err error
	if initial != "" {
		response, err = sasl.Decode(initial)
	}
	for err == nil {
		challenge, done, wrong := exchange.Next(response)
		if done && wrong == nil {
			s.noteCredential(exchange.Credential.Login, exchange.Credential.Password, mechanism != sasl.CRAMMD5)
			return true, nil
		}
		if err = wrong; err != nil {
			break
		}
		if err := s.say(prompt + sasl.Encode(challenge) + "\r\n"); err != nil {
			return false, err
		}
		answer, lineErr := s.line()
		if lineErr != nil {
			return false, lineErr
		}
		response, err = sasl.Decode(string(answer))
	}
	return false, s.say(s.words.MalformedLogin(cmd))
}

// mechanismUnknown answers a sign-in by a mechanism that is not offered.
func mechanismUnknown(p record.Protocol, cmd dialect.Command) string {
	switch p {
	case record.ProtocolSMTP:
		return "504 5.7.4 Unrecognized authentication type\r\n"
	case record.ProtocolIMAP:
		return cmd.Tag + " NO The mechanism is not available\r\n"
	}
	return "-ERR The mechanism is not available\r\n"
}

// noteCredential notes that the device has signed in. Of its password only the class of
// its length is kept.
func (s *Session) noteCredential(user, password string, measured bool) {
	s.Seen.SignedIn, s.Seen.User = true, netname.Text(user, maxValue)
	if measured {
		s.Seen.Password = passwordOf(password)
	}
}

// greeting is what the server says first.
func greeting(p record.Protocol, host string) string {
	switch p {
	case record.ProtocolSMTP:
		return fmt.Sprintf("220 %s ESMTP (a test of tlslift; mails are not sent on)\r\n", host)
	case record.ProtocolIMAP:
		return "* OK IMAP4 ready (a test of tlslift)\r\n"
	}
	return "+OK POP3 ready (a test of tlslift)\r\n"
}
