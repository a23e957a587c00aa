package dialect

import (
	"errors"
)

// pop3 is the dialect of RFC 1939 and RFC 2595.
type pop3 struct{}

func (pop3) Parse(line []byte) Command {
	verb, rest := cutWord(trim(string(line)))
	c := Command{Verb: verb, Line: verb, Kind: Other}
	switch verb {
	case "CAPA", "NOOP":
		c.Kind = Harmless
	case "STLS":
		c.Kind = StartTLS
		if rest != "" {
			c.Kind = BadSyntax
		}
	case "QUIT":
		c.Kind = Quit
	case "":
		c.Kind = BadSyntax
	}
	return c
}

// Done relies on it that of the replies before TLS only CAPA's has several lines,
// ended by a dot (RFC 2449 section 5).
func (pop3) Done(cmd Command, line []byte, n int) (last, ok bool, err error) {
	if n > 1 {
		return string(line) == ".", true, nil
	}
	switch word, _ := cutWord(string(line)); word {
	case "+OK":
		return cmd.Verb != "CAPA", true, nil
	case "-ERR":
		return true, false, nil
	}
	return false, false, errors.New("a line is no POP3 response")
}

// Closes knows no reply that says so.
func (pop3) Closes(Reply) bool { return false }

func (pop3) Offers(cmd Command, r Reply) (lists, startTLS bool) {
	if cmd.Verb != "CAPA" || !r.OK {
		return false, false
	}
	for _, line := range r.Lines[1:] {
		word, _ := cutWord(string(line))
		startTLS = startTLS || word == "STLS"
	}
	return true, startTLS
}

func (pop3) Adapt(cmd Command, r Reply, plaintext bool) Reply {
	if cmd.Verb != "CAPA" || !r.OK {
		return r
	}
	lines, startTLS := [][]byte{r.Lines[0]}, false
	for _, line := range r.Lines[1 : len(r.Lines)-1] {
		word, _ := cutWord(string(line))
		startTLS = startTLS || word == "STLS"
		if plaintext || word != "USER" && word != "SASL" {
			lines = append(lines, line)
		}
	}
	if !startTLS {
		lines = append(lines, []byte("STLS"))
	}
	return Reply{Lines: append(lines, []byte(".")), OK: true}
}

func (pop3) AdaptGreeting(r Reply, _ bool) Reply { return r }

func (pop3) StartTLSCommand() Command { return Command{Kind: StartTLS, Verb: "STLS", Line: "STLS"} }

func (pop3) GoAhead(Command) string { return "+OK Begin TLS now\r\n" }

func (pop3) NoPlaintext(Command) string { return "-ERR Use STLS first\r\n" }

func (pop3) SyntaxError(Command) string { return "-ERR Not a command\r\n" }
