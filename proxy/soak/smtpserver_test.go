package soak

import (
	"io"
	"strconv"
	"strings"
)

// smtp is an SMTP server.
func (p *peer) smtp() {
	if _, over := p.departs(atGreeting, ""); over {
		return
	}
	p.say("220 mx ready")
	s := &smtpSession{peer: p}
	for {
		line, ok := p.line()
		verb, args, _ := strings.Cut(line, " ")
		if !ok || s.command(strings.ToUpper(verb), args) {
			return
		}
		if s.accepted {
			// Its reply has arrived if the client goes on.
			s.accepted = false
			if s.departsAfterMail() {
				return
			}
		}
	}
}

// A smtpSession is what an SMTP server remembers.
type smtpSession struct {
	*peer

	mail     string // the mail that is being sent
	nth      int    // and which attempt it is
	accepted bool   // a mail has just been accepted
}

// departsAt is departs in one of several mails.
func (s *smtpSession) departsAt(at stage) (done, over bool) {
	if s.nth != s.plan.nth {
		return false, false
	}
	return s.departs(at, "")
}

// departsAfterMail waits for the client's next command.
func (s *smtpSession) departsAfterMail() bool {
	if s.plan.at != afterMail || s.nth != s.plan.nth {
		return false
	}
	line, ok := s.line()
	if !ok {
		return true
	}
	if id, is := mailID(line); is {
		s.know(func(f *farFacts) { f.transactions++; f.answered[id] = false })
	}
	_, over := s.departs(afterMail, "")
	return over
}

// mailID finds the mail in a MAIL command.
func mailID(line string) (string, bool) {
	_, id, found := strings.Cut(line, "ENVID=")
	return id, found
}

// command answers a command; true means that the connection has ended.
func (s *smtpSession) command(verb, args string) bool {
	switch verb {
	case "EHLO", "HELO":
		return s.hello()
	case "STARTTLS":
		if done, over := s.departs(atSTARTTLS, ""); done {
			return over
		}
		s.say("220 begin TLS")
		return !s.handshake()
	case "AUTH":
		return s.signIn()
	case "MAIL":
		s.mail, _ = mailID(verb + " " + args)
		s.know(func(f *farFacts) { s.nth = f.transactions; f.transactions++ })
		return s.answer(atMAIL)
	case "RCPT":
		if over := s.answer(atRCPT); over {
			return true
		}
		_, over := s.departsAt(afterRCPT)
		return over
	case "DATA":
		return s.data()
	case "BDAT":
		return s.chunk(args)
	case "QUIT":
		s.say("221 bye")
		s.know(func(f *farFacts) { f.whole = true })
		s.finish()
		return true
	}
	s.say("250 ok")
	return false
}

// answer answers a command of a mail.
func (s *smtpSession) answer(at stage) bool {
	if done, over := s.departsAt(at); done {
		return over
	}
	s.say("250 ok")
	return false
}

func (s *smtpSession) hello() bool {
	at := atEHLO
	if s.secure {
		at = atHello
	}
	if done, over := s.departs(at, ""); done {
		return over
	}
	if s.secure {
		s.say("250-mx\r\n250-CHUNKING\r\n250 AUTH LOGIN")
	} else {
		s.say("250-mx\r\n250 STARTTLS")
	}
	return false
}

// signIn is AUTH LOGIN.
func (s *smtpSession) signIn() bool {
	first := false
	s.know(func(f *farFacts) { first = f.signIns == 0; f.signIns++ })
	for _, prompt := range []string{"334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"} {
		s.say(prompt)
		if _, ok := s.line(); !ok {
			return true
		}
	}
	done, over := false, false
	if first {
		done, over = s.departs(atSignIn, "")
	}
	s.know(func(f *farFacts) { f.refused = done && !over })
	if !done {
		s.say("235 2.7.0 ok")
	}
	return over
}

// data takes a mail.
func (s *smtpSession) data() bool {
	if done, over := s.departsAt(atDATA); done {
		return over
	}
	s.say("354 go on")
	for n := 0; ; n++ {
		line, ok := s.line()
		if !ok {
			return true
		}
		if line == "." {
			return s.store()
		}
		if n == 0 {
			if _, over := s.departsAt(inBody); over {
				return true
			}
		}
	}
}

// chunk takes a part of a mail.
func (s *smtpSession) chunk(args string) bool {
	digits, last, _ := strings.Cut(args, " ")
	size, _ := strconv.Atoi(digits)
	if _, err := io.CopyN(io.Discard, s.r, int64(size)); err != nil {
		return true
	}
	if _, over := s.departsAt(inBody); over {
		return true
	}
	if last == "" {
		s.say("250 ok")
		return false
	}
	return s.store()
}

// store accepts a mail.
func (s *smtpSession) store() bool {
	if done, over := s.departsAt(atEnd); done {
		return over
	}
	s.say("250 2.0.0 " + s.mail)
	s.know(func(f *farFacts) { f.answered[s.mail] = true })
	s.accepted = true
	return false
}
