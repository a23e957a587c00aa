package dialogue

import (
	"bytes"
	"hash/maphash"
	"regexp"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/smtptext"
)

// maxTags bounds the IMAP commands that have no tagged reply yet, and maxTag a tag.
const (
	maxTags = 256
	maxTag  = 64
)

// An imapVerb is the verb of a command, as far as it matters. A client that speaks
// another protocol may say anything in the place of a verb, and none of that is held.
type imapVerb uint8

const (
	imapNone imapVerb = iota // no command
	imapOther
	imapLogin
	imapAuthenticate
	imapIdle
	imapLogout
)

// imapVerbs has the verbs that matter.
var imapVerbs = map[string]imapVerb{
	"LOGIN": imapLogin, "AUTHENTICATE": imapAuthenticate, "IDLE": imapIdle, "LOGOUT": imapLogout,
}

// An imapTag is the hash of a command's tag, which is a word of the client's too.
type imapTag uint64

// imap watches a session of RFC 9051 or 3501, with literals that do not wait (RFC 7888).
type imap struct {
	seed     maphash.Seed
	pending  map[imapTag]imapVerb // the commands without a tagged reply
	greeting bool                 // is still to come
	signedIn bool
	lost     bool
	failure  *record.Failure

	client, destination imapStream
	tag                 imapTag // of the client's last command
	isMore              bool    // what comes next from the client belongs to that command
}

// An imapStream is what one side sends: lines, and literals between them.
type imapStream struct {
	line    line
	tail    []byte // the end of the line, if it could announce a literal
	literal int64  // what is left of one
	size    int64  // of that one
	isMore  bool   // the line goes on after a literal
	sends   bool   // the literal comes without being asked for
}

func newIMAP(greets bool) *imap {
	i := &imap{seed: maphash.MakeSeed(), pending: map[imapTag]imapVerb{}, greeting: greets}
	// A command's tag and verb, and nothing of what follows.
	i.client.line.keep = func(head []byte) bool {
		return len(head) < maxTag+maxTag && !i.isMore && !i.inDialogue() && strings.Count(string(head), " ") < 2
	}
	i.destination.line.keep = upTo(maxStatus)
	return i
}

// inDialogue reports whether what the client sends are no commands: after AUTHENTICATE
// and IDLE, until these have their tagged reply.
func (i *imap) inDialogue() bool {
	verb := i.pending[i.tag]
	return verb == imapAuthenticate || verb == imapIdle
}

// maxTail is enough for a literal's size.
const maxTail = 24

// announced finds the literal that follows a line (RFC 9051 section 4.3).
var announced = regexp.MustCompile(`^\{([0-9]{1,18})\+?\}\r?$`)

// take takes bytes up to the end of a line or of a literal. It returns what follows, and
// the line, if one has ended.
func (s *imapStream) take(p []byte) (rest []byte, text string, whole bool) {
	if s.literal > 0 {
		n := min(int64(len(p)), s.literal)
		s.literal -= n
		return p[n:], "", false
	}
	rest, whole = s.line.take(p)
	piece := p[:len(p)-len(rest)]
	if whole {
		piece = piece[:len(piece)-1]
	}
	s.note(piece)
	if !whole {
		return rest, "", false
	}
	text = s.line.end()
	more := s.isMore
	s.size, s.isMore = 0, false
	if found := announced.FindSubmatch(s.tail); found != nil {
		s.size, _ = strconv.ParseInt(string(found[1]), 10, 64) // 18 digits always fit
		s.literal, s.isMore = s.size, true
		s.sends = bytes.IndexByte(s.tail, '+') >= 0
	}
	s.tail = s.tail[:0]
	return rest, text, !more
}

// note holds what could announce a literal, and nothing else of a line.
func (s *imapStream) note(piece []byte) {
	for _, b := range piece {
		switch {
		case b == '{':
			s.tail = append(s.tail[:0], b)
		case len(s.tail) > 0 && len(s.tail) < maxTail && (b >= '0' && b <= '9' || b == '+' || b == '}' || b == '\r'):
			s.tail = append(s.tail, b)
		default:
			s.tail = s.tail[:0]
		}
	}
}

func (i *imap) fromClient(p []byte) {
	for len(p) > 0 && !i.lost {
		rest, text, whole := i.client.take(p)
		p = rest
		i.isMore = i.client.isMore
		switch {
		case i.inDialogue():
			i.client.literal, i.client.isMore, i.isMore = 0, false, false
			if whole && i.pending[i.tag] == imapIdle {
				i.tag = 0 // DONE: commands follow
			}
		case whole:
			i.takeCommand(text)
		}
	}
}

func (i *imap) takeCommand(text string) {
	tag, rest, _ := strings.Cut(text, " ")
	verb, _ := smtptext.CutVerb(rest)
	if tag == "" && verb == "" {
		return // an empty line
	}
	hashed := i.hash(tag)
	if verb == "" || len(tag) > maxTag || len(i.pending) >= maxTags || i.pending[hashed] != imapNone {
		i.lose()
		return
	}
	i.tag, i.pending[hashed] = hashed, max(imapOther, imapVerbs[verb])
}

func (i *imap) hash(tag string) imapTag { return imapTag(max(1, maphash.String(i.seed, tag))) }

// lose is the end of what is understood.
func (i *imap) lose() {
	i.lost = true
	i.client.line.end()
}

func (i *imap) fromDestination(p []byte) {
	for len(p) > 0 && !i.lost {
		rest, text, whole := i.destination.take(p)
		if p = rest; whole {
			i.takeLine(text)
		}
	}
}

func (i *imap) takeLine(text string) {
	tag, rest, _ := strings.Cut(text, " ")
	status, words := smtptext.CutVerb(rest)
	switch hashed := i.hash(tag); {
	case tag == "*":
		i.takeUntagged(status, text)
	case tag == "+":
	case i.pending[hashed] == imapNone:
		i.lose()
	default:
		i.takeTagged(hashed, status, words, rest)
	}
}

func (i *imap) takeUntagged(status, text string) {
	switch {
	case status == "PREAUTH":
		i.signedIn = true
	case status == "BYE" && !i.signedIn && i.failure == nil && !i.isPending(imapLogout):
		i.failure = refusedSession(text)
	}
	i.greeting = false
}

// isPending reports whether a command with this verb has no tagged reply.
func (i *imap) isPending(verb imapVerb) bool {
	for _, v := range i.pending {
		if v == verb {
			return true
		}
	}
	return false
}

// takeTagged takes in the reply to a command; text is all of it but the tag.
func (i *imap) takeTagged(tag imapTag, status, words, text string) {
	verb := i.pending[tag]
	delete(i.pending, tag)
	// The literal that the client wanted to send is not to come.
	if tag == i.tag && !i.client.sends && i.client.literal == i.client.size && status != "OK" {
		i.client.literal, i.client.isMore, i.isMore = 0, false, false
	}
	switch {
	case verb != imapLogin && verb != imapAuthenticate:
	case status == "OK":
		i.signedIn, i.failure = true, nil
	case IsTemporary(words):
		i.failure = refusedSession(text)
	default:
		i.failure = record.Fail(record.ReasonIMAPAuthFailed, nil)
	}
}

func (i *imap) finding(e end) Finding {
	f := Finding{Failure: i.failure, Lost: i.lost}
	sending := (i.client.literal > 0 || i.isMore) && i.pending[i.tag] != imapNone
	switch {
	case i.lost || i.failure != nil:
	case e.first == destination && i.isAwaited():
		f.Failure = cutOff(destination, "a command")
	case e.first == client && (sending || e.failed && !i.greeting && i.isAwaited()):
		f.Failure = cutOff(client, "a command")
	case e.idle && (sending || i.isAwaited() || i.client.line.isOpen()):
		f.Failure = idleIn("a command")
	}
	return f
}

// isAwaited reports whether the destination has still something to say: the rest of a
// literal, its greeting or a tagged reply. In IDLE it waits, and a session may end.
func (i *imap) isAwaited() bool {
	if i.greeting || i.destination.literal > 0 {
		return true
	}
	for _, verb := range i.pending {
		if verb != imapIdle && verb != imapLogout {
			return true
		}
	}
	return false
}
