package sink

import (
	"io"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/mail/dialect"
	"github.com/tlslift/tlslift/proxy/netname"
)

// imap carries out a command of IMAP, for a mailbox with nothing in it.
func (s *Session) imap(cmd dialect.Command, line string) error {
	switch cmd.Verb {
	case "CAPABILITY":
		return s.imapSays(cmd, "CAPABILITY "+imapCapabilities(s))
	case "LOGOUT":
		return s.imapSays(cmd, "BYE Good bye")
	case "NOOP", "CHECK":
		return s.imapSays(cmd)
	case "ID":
		if err := s.literals(line); err != nil {
			return err
		}
		return s.imapSays(cmd, `ID ("name" "tlslift")`)
	}
	mayGoOn, err := s.mayGoOn(cmd)
	if err != nil || !mayGoOn {
		s.ended = s.ended || announces(line) // a literal follows, which nobody reads
		return err
	}
	switch cmd.Verb {
	case "LOGIN":
		return s.imapLogin(cmd, line)
	case "AUTHENTICATE":
		signedIn, err := s.signIn(cmd, line, "+ ")
		if err != nil || !signedIn {
			return err
		}
		return s.imapSays(cmd)
	}
	if err := s.literals(line); err != nil {
		return err
	}
	return s.inMailbox(cmd, line)
}

// inMailbox answers what is asked of the mailbox.
func (s *Session) inMailbox(cmd dialect.Command, line string) error {
	switch cmd.Verb {
	case "SELECT", "EXAMINE":
		return s.imapSays(cmd, `FLAGS (\Seen \Deleted)`, "0 EXISTS", "0 RECENT", "OK [UIDVALIDITY 1] valid", "OK [UIDNEXT 1] next")
	case "LIST", "LSUB":
		return s.imapSays(cmd, cmd.Verb+` (\HasNoChildren) "/" INBOX`)
	case "STATUS":
		return s.imapSays(cmd, "STATUS INBOX (MESSAGES 0 RECENT 0 UNSEEN 0 UIDNEXT 1 UIDVALIDITY 1)")
	case "NAMESPACE":
		return s.imapSays(cmd, `NAMESPACE (("" "/")) NIL NIL`)
	case "SEARCH":
		return s.imapSays(cmd, "SEARCH")
	case "UID":
		if strings.Contains(strings.ToUpper(line), "UID SEARCH") {
			return s.imapSays(cmd, "SEARCH")
		}
	case "IDLE":
		if err := s.say("+ idling\r\n"); err != nil {
			return err
		}
		if _, err := s.line(); err != nil { // DONE
			return err
		}
	case "APPEND":
		s.Seen.Mails++
	}
	return s.imapSays(cmd)
}

// imapSays answers with untagged lines and OK.
func (s *Session) imapSays(cmd dialect.Command, lines ...string) error {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString("* " + line + "\r\n")
	}
	b.WriteString(cmd.Tag + " OK done\r\n")
	return s.say(b.String())
}

func imapCapabilities(s *Session) string {
	all := []string{"IMAP4rev1", "IMAP4", "LITERAL+", "IDLE", "NAMESPACE", "ID", "UIDPLUS"}
	if !s.Secure {
		all = append(all, "STARTTLS")
	}
	if !s.Secure && !s.Plaintext {
		return strings.Join(append(all, "LOGINDISABLED"), " ")
	}
	for _, m := range s.Mechanisms {
		all = append(all, "AUTH="+m)
	}
	return strings.Join(append(all, "SASL-IR"), " ")
}

// imapLogin carries out LOGIN, which has its arguments in literals from many devices.
func (s *Session) imapLogin(cmd dialect.Command, line string) error {
	var arguments dialect.Arguments
	follows, err := arguments.Command(cmd, line)
	for err == nil && follows != nil {
		var value, rest string
		if value, rest, err = s.literal(*follows); err != nil {
			return err
		}
		follows, err = arguments.Literal(value, rest)
	}
	if err != nil {
		return s.say(s.words.MalformedLogin(cmd))
	}
	s.Seen.Mechanism = "LOGIN"
	s.noteCredential(arguments.Strings[0], arguments.Strings[1], true)
	return s.imapSays(cmd)
}

// literal reads a literal of a sign-in, and the line that follows it.
func (s *Session) literal(l dialect.Literal) (value, rest string, err error) {
	if l.Size > maxLine {
		return "", "", errTooMuch
	}
	if l.Waits {
		if err := s.say("+ go on\r\n"); err != nil {
			return "", "", err
		}
	}
	p := make([]byte, l.Size)
	if _, err := io.ReadFull(s.in, p); err != nil {
		return "", "", err
	}
	line, err := s.line()
	return string(p), string(line), err
}

// literals reads the literals of a command and throws them away.
func (s *Session) literals(line string) error {
	for announces(line) {
		size, waits := sizeOf(line)
		if size < 0 || size > maxMail {
			return errTooMuch
		}
		if waits {
			if err := s.say("+ go on\r\n"); err != nil {
				return err
			}
		}
		if err := s.skip(size, nil); err != nil {
			return err
		}
		next, err := s.line()
		if err != nil {
			return err
		}
		line = string(next)
	}
	return nil
}

// announces reports whether a literal follows a line (RFC 9051 section 4.3).
func announces(line string) bool { return strings.HasSuffix(line, "}") && strings.Contains(line, "{") }

// sizeOf returns how large the literal is that a line announces, -1 if that is no number,
// and whether the device waits.
func sizeOf(line string) (size int64, waits bool) {
	digits, isPlus := strings.CutSuffix(strings.TrimSuffix(line[strings.LastIndexByte(line, '{')+1:], "}"), "+")
	if digits == "" || len(digits) > 9 {
		return -1, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return -1, false
		}
		size = size*10 + int64(c-'0')
	}
	return size, !isPlus
}

// pop3 carries out a command of POP3, for a mailbox with nothing in it.
func (s *Session) pop3(cmd dialect.Command, line string) error {
	switch cmd.Verb {
	case "CAPA":
		return s.say(capa(s))
	case "QUIT":
		return s.say("+OK Good bye\r\n")
	case "NOOP":
		return s.say("+OK\r\n")
	case "USER", "PASS", "AUTH", "APOP":
		return s.pop3Login(cmd, line)
	}
	mayGoOn, err := s.mayGoOn(cmd)
	if err != nil || !mayGoOn {
		return err
	}
	switch cmd.Verb {
	case "STAT":
		return s.say("+OK 0 0\r\n")
	case "LIST", "UIDL":
		if len(strings.Fields(line)) == 1 {
			return s.say("+OK\r\n.\r\n")
		}
	case "RSET":
		return s.say("+OK\r\n")
	}
	return s.say("-ERR There is no such message\r\n")
}

func capa(s *Session) string {
	lines := []string{"+OK", "TOP", "UIDL"}
	if !s.Secure {
		lines = append(lines, "STLS")
	}
	if s.Secure || s.Plaintext {
		lines = append(lines, "USER", "SASL "+strings.Join(s.Mechanisms, " "))
	}
	return strings.Join(append(lines, ".\r\n"), "\r\n")
}

func (s *Session) pop3Login(cmd dialect.Command, line string) error {
	mayGoOn, err := s.mayGoOn(cmd)
	if err != nil || !mayGoOn {
		return err
	}
	switch cmd.Verb {
	case "USER":
		s.pop3User = dialect.Argument(cmd, line)
		return s.say("+OK\r\n")
	case "PASS":
		s.Seen.Mechanism = "USER"
		s.noteCredential(s.pop3User, dialect.Argument(cmd, line), true)
	case "APOP": // it hashes a challenge that the greeting does not have
		words := strings.Fields(line)
		s.Seen.Mechanism = "APOP"
		if len(words) > 1 {
			s.Seen.User = netname.Text(words[1], maxValue)
		}
		return s.say("-ERR APOP is not available\r\n")
	default:
		if name, _ := dialect.Mechanism(cmd, line); name == "" {
			return s.say("+OK\r\n" + strings.Join(slices.Concat(s.Mechanisms, []string{".\r\n"}), "\r\n"))
		}
		signedIn, err := s.signIn(cmd, line, "+ ")
		if err != nil || !signedIn {
			return err
		}
	}
	return s.say("+OK Signed in\r\n")
}
