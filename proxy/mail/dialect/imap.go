package dialect

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
)

// imap is the dialect of RFC 9051 and RFC 3501.
type imap struct{}

// maxTag bounds a tag; real ones have a few letters.
const maxTag = 64

func (imap) Parse(line []byte) Command {
	text := trim(string(line))
	tag, rest, _ := strings.Cut(text, " ")
	verb, args := cutWord(trim(rest))
	// A client that sends a literal without waiting for the continuation request (RFC 7888) has
	// its argument in the place of the next command.
	c := Command{Tag: tag, Verb: verb, Line: tag + " " + verb, Kind: Other, Unsafe: AnnouncesLiteral(text)}
	if !isTag(tag) || verb == "" {
		c.Kind, c.Tag = BadSyntax, ""
		return c
	}
	switch verb {
	case "CAPABILITY", "NOOP":
		c.Kind = Harmless
		if c.Unsafe {
			c.Kind = BadSyntax
		}
	case "ID":
		// RFC 2971: who the client is. With a literal it can wait for TLS.
		if !strings.HasSuffix(args, "}") {
			c.Kind, c.Line = Harmless, trim(c.Line+" "+args)
		}
	case "STARTTLS":
		c.Kind = StartTLS
		if args != "" {
			c.Kind = BadSyntax
		}
	case "LOGOUT":
		c.Kind = Quit
	}
	return c
}

// AnnouncesLiteral reports whether a line is followed by a literal that does not wait.
func AnnouncesLiteral(line string) bool { return strings.HasSuffix(line, "+}") }

// isTag is the tag of RFC 9051 section 9.
func isTag(tag string) bool {
	return tag != "" && len(tag) <= maxTag && !strings.ContainsFunc(tag, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\+`, r)
	})
}

// Done finds the last line by its tag; the greeting has only one.
func (imap) Done(cmd Command, line []byte, _ int) (last, ok bool, err error) {
	word, rest, _ := bytes.Cut(line, []byte(" "))
	status, _ := cutWord(string(rest))
	switch {
	case literal.Match(line):
		return false, false, errors.New("a literal before TLS")
	case cmd.Tag == "" && string(word) == "*" && status == "PREAUTH":
		// There is no STARTTLS after it (RFC 9051 section 7.1.4), so a client
		// could be led around TLS with it.
		return false, false, errors.New("the greeting is PREAUTH")
	case cmd.Tag == "" && string(word) == "*" && (status == "OK" || status == "BYE"):
		return true, status == "OK", nil
	case cmd.Tag == "":
		return false, false, errors.New("the greeting is not one of IMAP")
	case string(word) == cmd.Tag:
		return true, status == "OK", nil
	case string(word) == "*":
		return false, false, nil
	}
	return false, false, errors.New("a line is no IMAP response")
}

// Closes finds the untagged BYE (RFC 9051 section 7.1.5).
func (imap) Closes(r Reply) bool {
	const bye = "* BYE"
	line := r.last()
	return len(line) >= len(bye) && bytes.EqualFold(line[:len(bye)], []byte(bye))
}

// literal ends a line whose string follows it (RFC 9051 section 4.3).
var literal = regexp.MustCompile(`\{[0-9]+\+?\}$`)

var untaggedCapability = []byte("* CAPABILITY ")

func (imap) Offers(_ Command, r Reply) (lists, startTLS bool) {
	for _, line := range r.Lines {
		if list, is := capabilities(line); is {
			lists = true
			for _, word := range list {
				startTLS = startTLS || upper(word) == "STARTTLS"
			}
		}
	}
	return lists, startTLS
}

// capabilities is the list of an untagged CAPABILITY response.
func capabilities(line []byte) ([]string, bool) {
	if len(line) < len(untaggedCapability) || !bytes.EqualFold(line[:len(untaggedCapability)], untaggedCapability) {
		return nil, false
	}
	return strings.Fields(string(line[len(untaggedCapability):])), true
}

func (imap) Adapt(_ Command, r Reply, plaintext bool) Reply {
	for n, line := range r.Lines {
		list, is := capabilities(line)
		if !is {
			r.Lines[n] = withoutCapabilityCode(line)
			continue
		}
		r.Lines[n] = []byte("* CAPABILITY " + strings.Join(beforeTLS(list, plaintext), " "))
	}
	return r
}

// beforeTLS are the capabilities that the client has before its TLS.
func beforeTLS(list []string, plaintext bool) []string {
	var kept []string
	has := map[string]bool{}
	for _, word := range list {
		name := upper(word)
		signIn := name == "SASL-IR" || strings.HasPrefix(name, "AUTH=")
		if signIn && !plaintext || name == "LOGINDISABLED" && plaintext {
			continue
		}
		has[name] = true
		kept = append(kept, word)
	}
	if !has["STARTTLS"] {
		kept = append(kept, "STARTTLS")
	}
	if !plaintext && !has["LOGINDISABLED"] {
		kept = append(kept, "LOGINDISABLED")
	}
	return kept
}

// withoutCapabilityCode takes the response code CAPABILITY out of a status
// response, so that the client asks.
func withoutCapabilityCode(line []byte) []byte {
	const code = "[CAPABILITY "
	at := bytes.Index(bytes.ToUpper(line), []byte(code))
	end := bytes.IndexByte(line, ']')
	if at < 0 || end < at {
		return line
	}
	return append(bytes.Clone(line[:at]), bytes.TrimLeft(line[end+1:], " ")...)
}

func (imap) AdaptGreeting(r Reply, secured bool) Reply {
	// One that shows how to sign in would have the password sent unprotected.
	if !secured && !bytes.Contains(bytes.ToUpper(r.Bytes()), []byte("AUTH=")) {
		return r
	}
	lines := make([][]byte, len(r.Lines))
	for n, line := range r.Lines {
		lines[n] = withoutCapabilityCode(line)
	}
	return Reply{Lines: lines, OK: r.OK}
}

// behalf is the tag of commands on the client's behalf.
const behalf = "tlslift0"

func (imap) StartTLSCommand() Command {
	return Command{Kind: StartTLS, Verb: "STARTTLS", Tag: behalf, Line: behalf + " STARTTLS"}
}

func (imap) GoAhead(c Command) string { return c.Tag + " OK Begin TLS now\r\n" }

// NoPlaintext has the response code of RFC 5530 section 3.
func (imap) NoPlaintext(c Command) string {
	return c.Tag + " NO [PRIVACYREQUIRED] Use STARTTLS first\r\n"
}

func (imap) SyntaxError(c Command) string {
	if c.Tag == "" {
		return "* BAD Not a command\r\n"
	}
	return c.Tag + " BAD Wrong arguments\r\n"
}
