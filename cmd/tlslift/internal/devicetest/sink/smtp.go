package sink

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/mail/dialect"
	"github.com/tlslift/tlslift/proxy/smtptext"
)

// smtp carries out a command of SMTP.
func (s *Session) smtp(cmd dialect.Command, line string) error {
	switch cmd.Verb {
	case "EHLO":
		return s.say(ehlo(s))
	case "HELO":
		return s.say("250 " + cmp.Or(s.Host, "tlslift") + "\r\n")
	case "QUIT":
		return s.say("221 2.0.0 Good bye\r\n")
	case "NOOP", "RSET":
		return s.say("250 2.0.0 OK\r\n")
	case "HELP", "VRFY":
		return s.say("252 2.1.5 Send some mail\r\n")
	case "AUTH", "MAIL", "RCPT", "DATA", "BDAT":
		return s.submit(cmd, line)
	}
	return s.say("500 5.5.1 Unrecognized command\r\n")
}

// ehlo has the extensions of Microsoft 365.
func ehlo(s *Session) string {
	lines := []string{cmp.Or(s.Host, "tlslift"), "SIZE " + strconv.Itoa(maxMail), "PIPELINING", "DSN", "ENHANCEDSTATUSCODES"}
	if !s.Secure {
		lines = append(lines, "STARTTLS")
	}
	if (s.Secure || s.Plaintext) && len(s.Mechanisms) > 0 {
		offered := strings.Join(s.Mechanisms, " ")
		lines = append(lines, "AUTH "+offered, "AUTH="+offered)
	}
	lines = append(lines, "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8")
	last := len(lines) - 1
	return "250-" + strings.Join(lines[:last], "\r\n250-") + "\r\n250 " + lines[last] + "\r\n"
}

// submit carries out what signs in or sends a mail.
func (s *Session) submit(cmd dialect.Command, line string) error {
	mayGoOn, err := s.mayGoOn(cmd)
	if err != nil || !mayGoOn {
		return err
	}
	switch cmd.Verb {
	case "AUTH":
		signedIn, err := s.signIn(cmd, line, "334 ")
		if err != nil || !signedIn {
			return err
		}
		return s.say("235 2.7.0 Authentication successful\r\n")
	case "DATA":
		if err := s.say("354 Start mail input; end with <CRLF>.<CRLF>\r\n"); err != nil {
			return err
		}
		return s.data()
	case "BDAT":
		return s.bdat(line)
	}
	return s.say("250 2.1.0 OK\r\n")
}

const mailTaken = "250 2.6.0 Taken and thrown away: this is a test of tlslift\r\n"

// data reads a mail up to its end and throws it away.
func (s *Session) data() error {
	content, lines := smtptext.NewContent(), lineLength{seen: &s.Seen}
	for size := int64(0); size <= maxMail; {
		if err := s.conn.SetReadDeadline(time.Now().Add(s.Idle)); err != nil {
			return err
		}
		if _, err := s.in.Peek(1); err != nil {
			return err
		}
		part, _ := s.in.Peek(s.in.Buffered())
		n, ended := content.Find(part)
		lines.see(part[:n])
		size += int64(n)
		if err := s.count(n); err != nil {
			return err
		}
		_, _ = s.in.Discard(n) // it is there
		if ended {
			s.Seen.Mails++
			s.Seen.MailBytes = max(s.Seen.MailBytes, size)
			return s.say(mailTaken)
		}
	}
	return errTooMuch
}

// bdat reads a piece of a mail (RFC 3030).
func (s *Session) bdat(line string) error {
	words := strings.Fields(line)
	size, err := int64(0), error(nil)
	if len(words) > 1 {
		size, err = strconv.ParseInt(words[1], 10, 64)
	}
	if len(words) < 2 || err != nil || size < 0 || size > maxMail {
		s.ended = true // nobody knows what follows
		return s.say("501 5.5.4 Not the size of a piece\r\n")
	}
	s.Seen.BDAT = true
	lines := lineLength{seen: &s.Seen}
	if err := s.skip(size, lines.see); err != nil {
		return err
	}
	s.pieces += size
	if len(words) > 2 && strings.EqualFold(words[2], "LAST") {
		s.Seen.Mails++
		s.Seen.MailBytes = max(s.Seen.MailBytes, s.pieces)
		s.pieces = 0
		return s.say(mailTaken)
	}
	return s.say(fmt.Sprintf("250 2.6.0 %d bytes\r\n", size))
}

// A lineLength measures the lines of a mail as it comes by.
type lineLength struct {
	seen   *Seen
	length int
	last   byte
}

func (l *lineLength) see(part []byte) {
	for len(part) > 0 {
		end := bytes.IndexByte(part, '\n')
		text := part
		if end >= 0 {
			text = part[:end]
		}
		if bytes.ContainsFunc(text, func(r rune) bool { return r > 127 }) {
			l.seen.EightBit = true
		}
		if l.length += len(text); len(text) > 0 {
			l.last = text[len(text)-1]
		}
		if end < 0 {
			return
		}
		if l.length > 0 && l.last == '\r' {
			l.length--
		} else {
			l.seen.BareLF = true
		}
		l.seen.LongestLine = max(l.seen.LongestLine, l.length)
		l.length, l.last, part = 0, 0, part[end+1:]
	}
}
