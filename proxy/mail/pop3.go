package mail

import (
	"errors"
)

// pop3 is the dialect of RFC 1939 and RFC 2595.
type pop3 struct{}

func (pop3) parse(line []byte) command {
	verb, rest := cutWord(trim(string(line)))
	c := command{verb: verb, line: verb, kind: other}
	switch verb {
	case "CAPA", "NOOP":
		c.kind = harmless
	case "STLS":
		c.kind = startTLS
		if rest != "" {
			c.kind = badSyntax
		}
	case "QUIT":
		c.kind = quit
	case "":
		c.kind = badSyntax
	}
	return c
}

// done relies on it that of the replies before TLS only CAPA's has several lines,
// ended by a dot (RFC 2449 section 5).
func (pop3) done(cmd command, line []byte, n int) (last, ok bool, err error) {
	if n > 1 {
		return string(line) == ".", true, nil
	}
	switch word, _ := cutWord(string(line)); word {
	case "+OK":
		return cmd.verb != "CAPA", true, nil
	case "-ERR":
		return true, false, nil
	}
	return false, false, errors.New("a line is no POP3 response")
}

func (pop3) offers(cmd command, r reply) (lists, startTLS bool) {
	if cmd.verb != "CAPA" || !r.ok {
		return false, false
	}
	for _, line := range r.lines[1:] {
		word, _ := cutWord(string(line))
		startTLS = startTLS || word == "STLS"
	}
	return true, startTLS
}

func (pop3) adapt(cmd command, r reply, plaintext bool) reply {
	if cmd.verb != "CAPA" || !r.ok {
		return r
	}
	lines, startTLS := [][]byte{r.lines[0]}, false
	for _, line := range r.lines[1 : len(r.lines)-1] {
		word, _ := cutWord(string(line))
		startTLS = startTLS || word == "STLS"
		if plaintext || word != "USER" && word != "SASL" {
			lines = append(lines, line)
		}
	}
	if !startTLS {
		lines = append(lines, []byte("STLS"))
	}
	return reply{lines: append(lines, []byte(".")), ok: true}
}

func (pop3) adaptGreeting(r reply, _ bool) reply { return r }

func (pop3) startTLSCommand() command { return command{kind: startTLS, verb: "STLS", line: "STLS"} }

func (pop3) goAhead(command) string { return "+OK Begin TLS now\r\n" }

func (pop3) noPlaintext(command) string { return "-ERR Use STLS first\r\n" }

func (pop3) syntaxError(command) string { return "-ERR Not a command\r\n" }
