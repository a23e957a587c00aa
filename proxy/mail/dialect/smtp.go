package dialect

import (
	"bytes"
	"errors"
	"strings"
)

// smtp is the dialect of RFC 5321 and RFC 3207.
type smtp struct{}

func (smtp) Parse(line []byte) Command {
	verb, rest := cutWord(trim(string(line)))
	c := Command{Verb: verb, Line: verb}
	switch verb {
	case "EHLO", "HELO":
		c.Kind, c.Name = Hello, heloName(rest)
		c.Line = verb + " " + c.Name
	case "STARTTLS":
		c.Kind = StartTLS
		if rest != "" { // RFC 3207 section 4: no parameters
			c.Kind = BadSyntax
		}
	case "NOOP", "RSET", "HELP":
		c.Kind = Harmless
	case "QUIT":
		c.Kind = Quit
	case "":
		c.Kind = BadSyntax
	case "BDAT", "DATA":
		// The mail may follow whatever the answer is (RFC 3030, RFC 2920).
		c.Kind, c.Unsafe = Other, true
	default:
		c.Kind = Other
	}
	return c
}

// Some devices name themselves with what the administrator wrote on them, as
// in "2nd floor <HP>", which servers reject with 501. What a domain or an
// address literal may hold stays; the rest becomes hyphens.
func heloName(name string) string {
	const fallback, maxName = "localhost", 255
	if strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") && !strings.ContainsFunc(name, notInLiteral) {
		return name[:min(len(name), maxName)]
	}
	words := strings.FieldsFunc(name, notInDomain)
	clean := strings.Trim(strings.Join(words, "-"), "-.")
	if clean == "" {
		return fallback
	}
	return strings.TrimRight(clean[:min(len(clean), maxName)], "-.")
}

func notInLiteral(r rune) bool { return notInDomain(r) && !strings.ContainsRune("[]:", r) }

func notInDomain(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("-._", r):
		return false
	}
	return true
}

// Done finds the last line of a multi-line reply by the hyphen after the code
// (RFC 5321 section 4.2.1).
func (smtp) Done(cmd Command, line []byte, _ int) (last, ok bool, err error) {
	if len(line) < 3 || !isDigits(line[:3]) || line[0] < '2' || line[0] > '5' {
		return false, false, errors.New("a line is no SMTP reply")
	}
	last = len(line) == 3 || line[3] != '-'
	ok = line[0] == '2'
	if cmd.Kind == StartTLS { // nothing but 220 lets TLS begin (RFC 3207 section 4)
		ok = string(line[:3]) == "220"
	}
	return last, ok, nil
}

// Closes finds 421 (RFC 5321 section 3.8).
func (smtp) Closes(r Reply) bool {
	line := r.last()
	return bytes.HasPrefix(line, []byte("421")) && (len(line) == 3 || line[3] != '-')
}

func isDigits(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < '0' || r > '9' })
}

func (smtp) Offers(cmd Command, r Reply) (lists, startTLS bool) {
	if cmd.Verb != "EHLO" || !r.OK {
		return false, false
	}
	for _, line := range r.Lines[1:] {
		startTLS = startTLS || keyword(line) == "STARTTLS"
	}
	return true, startTLS
}

// keyword is the EHLO keyword of a reply line.
func keyword(line []byte) string {
	word, _ := cutWord(string(line[min(4, len(line)):]))
	// Some old servers write AUTH=LOGIN as well, for clients of their time.
	word, _, _ = strings.Cut(word, "=")
	return word
}

func (smtp) Adapt(cmd Command, r Reply, plaintext bool) Reply {
	if cmd.Verb != "EHLO" || !r.OK {
		return r
	}
	lines, startTLS := [][]byte{r.Lines[0]}, false
	for _, line := range r.Lines[1:] {
		word := keyword(line)
		startTLS = startTLS || word == "STARTTLS"
		if word != "AUTH" || plaintext {
			lines = append(lines, line)
		}
	}
	if !startTLS {
		lines = append(lines, []byte("250 STARTTLS"))
	}
	return Reply{Lines: marked(lines), OK: true}
}

// marked gives the lines of a reply to EHLO the marks of a multi-line reply.
func marked(lines [][]byte) [][]byte {
	last := len(lines) - 1
	for i, line := range lines {
		mark := map[bool]string{true: "250 ", false: "250-"}[i == last]
		lines[i] = append([]byte(mark), line[min(4, len(line)):]...)
	}
	return lines
}

func (smtp) AdaptGreeting(r Reply, _ bool) Reply { return r }

func (smtp) StartTLSCommand() Command {
	return Command{Kind: StartTLS, Verb: "STARTTLS", Line: "STARTTLS"}
}

func (smtp) GoAhead(Command) string { return "220 2.0.0 Ready to start TLS\r\n" }

func (smtp) NoPlaintext(Command) string {
	return "530 5.7.0 Must issue a STARTTLS command first\r\n"
}

func (smtp) SyntaxError(c Command) string {
	if c.Verb == "STARTTLS" {
		return "501 5.5.4 STARTTLS takes no parameters\r\n"
	}
	return "500 5.5.2 Not a command\r\n"
}
