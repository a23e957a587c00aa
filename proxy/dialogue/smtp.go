package dialogue

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/smtptext"
)

// A stage is how far a command brings a mail. A later stage that succeeds shows that
// what was refused before does not matter any more.
type stage uint8

// The kinds of commands of an SMTP client. Those of the stages of a mail come first,
// in their order.
const (
	hello   stage = iota // EHLO, HELO
	auth                 // AUTH, with its whole dialogue
	from                 // MAIL
	to                   // RCPT
	data                 // DATA itself
	chunk                // a BDAT that is not the last
	content              // the end of DATA, and the last BDAT
	quit
	rset
	blank    // an empty line, which some servers answer
	greeting // what comes without being asked for
	noMail   // everything else
)

// smtpVerbs has the verbs that matter.
var smtpVerbs = map[string]stage{
	"EHLO": hello, "HELO": hello, "AUTH": auth, "MAIL": from, "RCPT": to, "DATA": data, "QUIT": quit, "RSET": rset, "": blank,
}

// maxCommand bounds what is held of a BDAT command, the longest that is looked at.
const maxCommand = 40

// smtp watches a session of RFC 5321, with pipelining (RFC 2920), BDAT (RFC 3030)
// and AUTH (RFC 4954).
type smtp struct {
	replies  replyMeter
	pending  queue[smtpCommand]
	lost     bool // the dialogue is not understood: watch no more
	refusals refusals
	accepted int

	said uint64 // how many commands were noted

	// The client's side.
	command   line
	address   smtptext.Address // in it
	cancelled bool             // by the client itself: its AUTH
	inBody    bool             // the content that follows DATA
	body      smtptext.Content // where it ends
	bodySeen  bool             // some of it has been seen
	chunk     int64            // what is left of a BDAT's chunk
	chunked   bool             // a BDAT has been seen, and not yet the last one
	agreed    bool             // 354 has come: the content is the destination's
	answered  bool             // the final reply came before the end of the content
	begun     bool             // MAIL was accepted, and the mail is neither given up nor answered
	closing   bool             // the destination has said that it closes the session
}

// An smtpCommand is a command without a reply.
type smtpCommand struct {
	at    stage
	whose uint64 // the hash of its address, if it is MAIL or RCPT
}

func newSMTP(greets bool) *smtp {
	s := &smtp{}
	s.command.keep = s.keep
	s.replies.line.keep = upTo(maxReplyText)
	if greets {
		s.expect(greeting)
	}
	return s
}

// keep holds verbs, and of BDAT what follows too. Of what is said to sign in it holds
// enough to tell a * from the rest, and no more.
func (s *smtp) keep(head []byte) bool {
	const verb, star = len("BDAT "), len("*\r\n")
	switch {
	case s.signsIn():
		return len(head) < star-1
	case len(head) < verb:
		return true
	}
	return len(head) < maxCommand && bytes.EqualFold(head[:verb], []byte("BDAT "))
}

// signsIn reports whether what the client sends belongs to AUTH: until that has its
// final reply, every line does.
func (s *smtp) signsIn() bool {
	n := len(s.pending.items)
	return n > 0 && s.pending.items[n-1].at == auth
}

func (s *smtp) fromClient(p []byte) {
	for len(p) > 0 && !s.lost {
		switch {
		case s.chunk > 0:
			n := min(int64(len(p)), s.chunk)
			s.chunk -= n
			p = p[n:]
		case s.inBody:
			s.bodySeen = true
			n, ended := s.body.Find(p)
			p = p[n:]
			if ended {
				s.endBody()
			}
		default:
			rest, whole := s.command.take(p)
			s.address.Note(p[:len(p)-len(rest)])
			p = rest
			if whole {
				s.takeCommand(s.command.end())
			}
		}
	}
	s.forget()
}

// forget drops what is held of the client's line once nobody looks at it any more.
func (s *smtp) forget() {
	if s.lost {
		s.command.end()
	}
}

// isUndecided reports whether the destination has yet to say whether the client goes on with
// content or with commands.
func (s *smtp) isUndecided() bool {
	asked := slices.ContainsFunc(s.pending.items, func(c smtpCommand) bool { return c.at == data })
	return !s.lost && (asked || s.inBody && s.bodySeen && !s.answered && s.body.IsLoose())
}

// endBody is the end of the content.
func (s *smtp) endBody() {
	s.inBody = false
	if !s.answered {
		s.expect(content)
	}
}

// takeCommand takes in a command, or a line that belongs to AUTH.
func (s *smtp) takeCommand(text string) {
	whose := s.address.End()
	if s.signsIn() {
		s.cancelled = text == "*" // RFC 4954 section 4
		return
	}
	s.cancelled = false
	verb, rest := smtptext.CutVerb(text)
	if verb == "BDAT" {
		s.takeBDAT(rest)
		return
	}
	kind, known := smtpVerbs[verb]
	if !known {
		kind = noMail
	}
	switch {
	case kind == data:
		s.inBody, s.body, s.bodySeen, s.agreed, s.answered = true, smtptext.NewContent(), false, false, false
	case kind == hello, kind == from, kind == quit, kind == rset:
		s.chunked, s.begun = false, false // the mail before is given up
	}
	if kind != from && kind != to {
		whose = 0
	}
	s.push(smtpCommand{kind, whose})
}

// takeBDAT takes in the size of a chunk and whether it is the last.
func (s *smtp) takeBDAT(args string) {
	size, last, _ := strings.Cut(args, " ")
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 {
		s.lost = true
		return
	}
	s.chunk, s.chunked = n, !strings.EqualFold(strings.TrimSpace(last), "LAST")
	if s.chunked {
		s.expect(chunk)
	} else {
		s.expect(content)
	}
}

// expect notes a command without an address.
func (s *smtp) expect(kind stage) { s.push(smtpCommand{at: kind}) }

func (s *smtp) push(c smtpCommand) {
	s.said++
	s.lost = !s.pending.push(c) || s.lost
}

func (s *smtp) fromDestination(p []byte) {
	s.replies.read(p, s.takeReply)
	s.forget()
}

// takeReply gives a reply to the command that it belongs to. An empty code is no
// reply.
func (s *smtp) takeReply(code string, known record.Reason) {
	if s.lost {
		s.takeUnmatched(code, known)
		return
	}
	for len(s.pending.items) > 1 && s.pending.items[0].at == blank && !strings.HasPrefix(code, "50") {
		s.pending.pop()
	}
	switch {
	case code == "":
		s.lost = true
	case len(s.pending.items) == 0:
		s.takeUnasked(code, known)
	case code == "334" && s.pending.items[0].at == auth:
		return
	case (code[0] == '3') != (code == "354" && s.pending.items[0].at == data):
		s.lost = true
	default:
		s.takeFinal(s.pending.pop(), code, known)
	}
	if code == "421" { // it closes the session (RFC 5321 section 3.8)
		s.pending.items, s.chunked, s.answered, s.closing = nil, false, true, true
	}
}

// takeUnmatched takes in a reply whose command is not known: what is known by its text
// counts.
func (s *smtp) takeUnmatched(code string, known record.Reason) {
	switch {
	case code == "235":
		s.refusals.succeed(auth, 0)
	case known == "":
	case code == "535" || code == "504":
		s.refusals.refuse(s.refusal(auth, known), 0, false)
	default:
		s.refusals.refuse(s.refusal(noMail, known), 0, false)
	}
}

// takeUnasked takes in a reply that no command waits for.
func (s *smtp) takeUnasked(code string, known record.Reason) {
	switch {
	case s.inBody && !s.answered && code[0] != '3':
		s.answered = true
		// It may have found the end at line ends that are not CRLF.
		if code[0] == '2' || s.body.IsLoose() {
			s.inBody = false
		}
		s.takeFinal(smtpCommand{at: content}, code, known)
	case known != "":
		s.refusals.refuse(s.refusal(noMail, known), 0, false)
	case code != "421":
		s.lost = true
	}
}

// takeFinal takes in the final reply to a command, or that DATA may go on.
func (s *smtp) takeFinal(to smtpCommand, code string, known record.Reason) {
	if code == "354" {
		s.agreed = true
		return
	}
	if to.at == data { // without 354, the content is not to come
		s.lost = s.bodySeen || s.lost
		s.inBody = false
	}
	switch to.at {
	case from:
		s.begun = code[0] == '2'
	case data, content, hello, quit, rset: // what was sent in one go is answered in its order
		s.begun = false
	}
	if code[0] == '2' {
		if to.at == content {
			s.accepted++
		}
		s.refusals.succeed(to.at, to.whose)
		return
	}
	if to.at == chunk || to.at == content {
		s.chunked = false
	}
	s.refuse(to, code, known)
}

// refuse notes a negative reply to a step of a mail, or one whose text is known.
func (s *smtp) refuse(to smtpCommand, code string, known record.Reason) {
	reason := known
	switch {
	case code != "503" && s.refusals.isConsequence(to.at, code):
		return
	case reason != "":
	case s.refusals.isConsequence(to.at, code), to.at == auth && s.cancelled:
		return
	case to.at == hello, to.at == greeting:
		reason = record.ReasonUpstreamRefusedSession
	case to.at > content:
		return
	default:
		reason = record.ReasonSMTPRejected
	}
	s.refusals.refuse(s.refusal(to.at, reason), to.whose, isFinal(to.at, code))
}

// refusal is a refusal by the reply that is being read.
func (s *smtp) refusal(at stage, reason record.Reason) refusal {
	f := refusal{at: at, reason: reason, words: s.replies.negative}
	if reason == record.ReasonUpstreamRefusedSession {
		f.words = string(s.replies.text)
	}
	return f
}

func (s *smtp) finding(e end) Finding {
	f := Finding{Replies: s.replies.counts, Negative: s.replies.negative, Accepted: s.accepted, Lost: s.lost}
	if f.Failure = s.cutOff(e); f.Failure == nil {
		f.Failure = s.refusals.failure()
	}
	if f.Failure == nil {
		f.Failure = s.unfinished(e)
	}
	return f
}

// unfinished returns how a session was ended after a mail had begun, and before its
// content; nil if it was not. A client that gives a mail up says so.
func (s *smtp) unfinished(e end) *record.Failure {
	switch {
	case s.lost || !s.begun:
		return nil
	case e.first == destination, s.closing:
		return cutOff(destination, "a mail")
	case e.first == client:
		return cutOff(client, "a mail")
	case e.idle:
		return idleIn("a mail")
	}
	return nil
}

// cutOff returns how a session was ended in the middle of a mail, or of a command; nil
// if it was not.
func (s *smtp) cutOff(e end) *record.Failure {
	sending := s.inBody && !s.answered || s.chunk > 0 || s.chunked
	awaited := slices.ContainsFunc(s.pending.items, func(c smtpCommand) bool { return c.at == chunk || c.at == content })
	switch {
	case s.lost:
		return nil
	case e.first == client && (sending || awaited && e.failed):
		return cutOff(client, "a mail")
	case e.idle && (s.chunk > 0 || sending && !awaited):
		return idleIn("a mail")
	case sending && e.first == destination, awaited && (e.first != 0 || e.idle):
		return cutOff(destination, "a mail")
	}
	asked := slices.ContainsFunc(s.pending.items, func(c smtpCommand) bool { return c.at != quit && c.at != blank })
	switch {
	case e.first == destination && asked:
		return cutOff(destination, "a command")
	case e.idle && (asked || s.command.isOpen()):
		return idleIn("a command")
	}
	return nil
}
