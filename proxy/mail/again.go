package mail

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// unknownVerb stands in the place of a sign-in after another one. No server knows it, and
// each rejects it, in the order of its replies and in the words of its protocol.
const unknownVerb = "XSIGNIN"

const (
	// maxVerb bounds the beginning of a line in which its verb is looked for.
	maxVerb = 200
	// maxTail is enough for the size of a literal and the end of its line.
	maxTail = 32
)

// A signedInClient is a client of IMAP or POP3 that has signed in here. What it types to
// sign in again is known here only, and does not reach the destination, as the second
// AUTH of SMTP does not.
type signedInClient struct {
	*relay.Conn
	protocol record.Protocol

	out     []byte // what was read and passes
	head    []byte // the beginning of a line whose verb is not known yet
	tail    []byte // the end of the line so far
	inLine  bool   // the verb is known, and the line or its literals go on
	drops   bool   // they do not pass
	literal int64  // bytes that are to come of a literal
	goesOn  bool   // the next line may belong to a sign-in that was dropped
}

// Read gives what passes.
func (c *signedInClient) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		n, err := c.Conn.Read(p)
		if int64(n) <= c.literal && !c.drops {
			c.literal -= int64(n)
			return n, err
		}
		c.take(p[:n])
		if err != nil && len(c.out) == 0 {
			return 0, err // it comes again in the other case
		}
	}
	n := copy(p, c.out)
	clear(c.out[:n])
	if c.out = c.out[n:]; len(c.out) == 0 {
		c.out = nil
	}
	return n, nil
}

// take takes in what the client has sent.
func (c *signedInClient) take(p []byte) {
	for len(p) > 0 {
		if c.literal > 0 {
			n := min(int64(len(p)), c.literal)
			c.pass(p[:n])
			c.literal -= n
			p = p[n:]
			continue
		}
		end, whole := bytes.IndexByte(p, '\n')+1, true
		if end == 0 {
			end, whole = len(p), false
		}
		c.takePiece(p[:end], whole)
		p = p[end:]
	}
}

// takePiece takes in a piece of a line; whole means that it has its end.
func (c *signedInClient) takePiece(piece []byte, whole bool) {
	c.tail = append(c.tail, piece[max(0, len(piece)-maxTail):]...)
	c.tail = slices.Delete(c.tail, 0, max(0, len(c.tail)-maxTail))
	switch {
	case c.inLine:
		c.pass(piece)
	default:
		c.head = append(c.head, piece...)
		tag, verb, known := c.verb()
		if !known && !whole && len(c.head) < maxVerb {
			return
		}
		c.begin(tag, verb)
	}
	if whole {
		c.endLine()
	}
}

// pass lets bytes pass, unless they belong to what does not.
func (c *signedInClient) pass(p []byte) {
	if !c.drops {
		c.out = append(c.out, p...)
	}
}

// verb returns the tag of the line, which only IMAP has, and its verb; known means that
// it has come to its end.
func (c *signedInClient) verb() (tag, verb string, known bool) {
	cut := func(b []byte) (word, rest []byte, ended bool) {
		b = bytes.TrimLeft(b, " \t")
		end := bytes.IndexAny(b, " \t\r\n")
		if end < 0 {
			return b, nil, false
		}
		return b[:end], b[end:], true
	}
	word, rest, known := cut(c.head[:min(len(c.head), maxVerb)])
	if c.protocol == record.ProtocolIMAP {
		tag = string(word)
		word, _, known = cut(rest)
	}
	return tag, strings.ToUpper(string(word)), known
}

// begin begins a line whose verb is known.
func (c *signedInClient) begin(tag, verb string) {
	after := c.goesOn
	c.inLine, c.goesOn = true, false
	switch {
	case after && c.isResponse(verb):
		c.drops = true
	case c.signsIn(verb):
		c.out = append(c.out, strings.TrimLeft(tag+" "+unknownVerb, " ")+"\r\n"...)
		c.drops, c.goesOn = true, verb == "AUTH" || verb == "AUTHENTICATE"
	default:
		c.out = append(c.out, c.head...)
	}
	clear(c.head)
	c.head = c.head[:0]
}

// signsIn reports whether a verb is one of a sign-in.
func (c *signedInClient) signsIn(verb string) bool {
	if c.protocol == record.ProtocolIMAP {
		return verb == "LOGIN" || verb == "AUTHENTICATE"
	}
	return verb == "USER" || verb == "PASS" || verb == "APOP" || verb == "AUTH"
}

// isResponse reports whether a line after AUTH or AUTHENTICATE is no command, but the
// response of a client that does not wait.
func (c *signedInClient) isResponse(verb string) bool {
	if c.protocol == record.ProtocolIMAP {
		return verb == ""
	}
	return verb == "*" || len(verb) > len("UIDL")
}

// literalEnd is the end of a line whose literal follows it (RFC 9051 section 4.3, RFC
// 7888).
var literalEnd = regexp.MustCompile(`\{([0-9]{1,18})(\+?)\}\r*\n$`)

// endLine is the end of a line. A client that waits with a literal does not send that of
// a sign-in, since the command is rejected before.
func (c *signedInClient) endLine() {
	var found [][]byte
	if c.protocol == record.ProtocolIMAP {
		found = literalEnd.FindSubmatch(c.tail)
	}
	if found != nil && (!c.drops || len(found[2]) > 0) {
		c.literal, _ = strconv.ParseInt(string(found[1]), 10, 64) // 18 digits always fit
	} else {
		c.inLine, c.drops = false, false
	}
	clear(c.tail)
	c.tail = c.tail[:0]
}
