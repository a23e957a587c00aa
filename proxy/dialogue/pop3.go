package dialogue

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/smtptext"
)

const (
	// maxStatus bounds what is held of a line of an IMAP or POP3 destination.
	maxStatus = 200
	// maxVerb bounds what is held of a command of POP3: a verb, and whether an
	// argument follows it. Of the argument there is nothing.
	maxVerb = len("UIDL 1")
)

// A popCommand is a POP3 command without a reply.
type popCommand uint8

const (
	popOther    popCommand = iota
	popMany                // its positive reply has several lines
	popUser                // USER, the first half of a sign-in
	popSignIn              // PASS, APOP
	popSASL                // AUTH, with its whole dialogue
	popQuit                // QUIT
	popGreeting            // what comes without being asked for
)

// pop3 watches a session of RFC 1939, with pipelining (RFC 2449) and AUTH (RFC 5034).
type pop3 struct {
	pending queue[popCommand]
	lost    bool
	failure *record.Failure
	command line
	reply   line
	inMany  bool // in the middle of a reply of several lines
}

func newPOP3(greets bool) *pop3 {
	p := &pop3{}
	p.command.keep = func(head []byte) bool { return len(head) < maxVerb && !p.signsIn() }
	p.reply.keep = upTo(maxStatus)
	if greets {
		p.pending.push(popGreeting)
	}
	return p
}

// signsIn reports whether what the client sends belongs to AUTH.
func (p *pop3) signsIn() bool {
	n := len(p.pending.items)
	return n > 0 && p.pending.items[n-1] == popSASL
}

func (p *pop3) fromClient(b []byte) {
	for len(b) > 0 && !p.lost {
		rest, whole := p.command.take(b)
		if b = rest; !whole {
			return
		}
		text := p.command.end()
		if p.signsIn() {
			continue
		}
		if !p.pending.push(popCommandOf(smtptext.CutVerb(text))) {
			p.lost = true
		}
	}
}

func popCommandOf(verb, args string) popCommand {
	switch verb {
	case "CAPA", "RETR", "TOP":
		return popMany
	case "LIST", "UIDL":
		if args == "" {
			return popMany
		}
	case "AUTH":
		if args == "" {
			return popMany
		}
		return popSASL
	case "USER":
		return popUser
	case "PASS", "APOP":
		return popSignIn
	case "QUIT":
		return popQuit
	}
	return popOther
}

func (p *pop3) fromDestination(b []byte) {
	for len(b) > 0 && !p.lost {
		rest, whole := p.reply.take(b)
		if b = rest; whole {
			p.takeLine(p.reply.end())
		}
	}
	if p.lost {
		p.command.end() // nobody looks at the rest of it
	}
}

func (p *pop3) takeLine(text string) {
	word, rest := smtptext.CutVerb(text)
	switch {
	case p.inMany:
		p.inMany = text != "."
	case word == "+" && p.signsIn() && len(p.pending.items) == 1:
		// The dialogue of AUTH goes on.
	case len(p.pending.items) == 0 || word != "+OK" && word != "-ERR":
		p.lost = true
	default:
		p.takeReply(p.pending.pop(), word == "+OK", text, rest)
	}
}

func (p *pop3) takeReply(to popCommand, ok bool, text, words string) {
	signsIn := to == popSignIn || to == popSASL
	switch {
	case ok:
		p.inMany = to == popMany
		// A name that is taken shows nothing of the password.
		if signsIn {
			p.failure = nil
		}
	case to == popGreeting, (signsIn || to == popUser) && IsTemporary(words):
		p.failure = refusedSession(text)
	case signsIn, to == popUser:
		p.failure = record.Fail(record.ReasonPOP3AuthFailed, nil)
	}
}

// IsTemporary reports whether the response code of a sign-in that IMAP or POP3 refused
// says that it is not for the name and password (RFC 2449, 3206, 5530). The words are
// those after the status.
func IsTemporary(words string) bool {
	code, _, _ := strings.Cut(strings.ToUpper(words), "]")
	switch code {
	case "[IN-USE", "[LOGIN-DELAY", "[SYS/TEMP", "[SYS/PERM", "[UNAVAILABLE", "[INUSE", "[LIMIT", "[SERVERBUG":
		return true
	}
	return false
}

// refusedSession is a refusal of the whole session, with the destination's words.
func refusedSession(words string) *record.Failure {
	return record.Fail(record.ReasonUpstreamRefusedSession, fmt.Errorf("the destination said %q", netname.Cut(words, maxStatus)))
}

func (p *pop3) finding(e end) Finding {
	awaited := p.inMany || slices.ContainsFunc(p.pending.items, func(c popCommand) bool { return c != popQuit })
	f := Finding{Failure: p.failure, Lost: p.lost}
	switch {
	case p.lost || p.failure != nil:
	case e.first == destination && awaited:
		f.Failure = cutOff(destination, "a command")
	case e.first == client && e.failed && awaited && !slices.Contains(p.pending.items, popGreeting):
		f.Failure = cutOff(client, "a command")
	case e.idle && (awaited || p.command.isOpen()):
		f.Failure = idleIn("a command")
	}
	return f
}
