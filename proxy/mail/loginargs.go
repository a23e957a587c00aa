package mail

import (
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/proxy/sasl"
)

// popLogin takes USER and PASS. A password is the rest of its line, with its blanks
// (RFC 1939 section 7).
func (l *login) popLogin(cmd command, line string) (*sasl.Credential, error) {
	arg := ""
	if text := strings.TrimLeft(line, " \t"); len(text) > len(cmd.verb) {
		arg = text[len(cmd.verb)+1:]
	}
	switch {
	case cmd.verb == "USER" && trim(arg) != "":
		l.user = trim(arg)
		return nil, l.near.write([]byte("+OK\r\n"))
	case cmd.verb == "USER" || l.user == "":
		return nil, l.near.write([]byte("-ERR USER NAME comes first\r\n"))
	}
	typed := &sasl.Credential{Login: l.user, Password: arg}
	l.user = ""
	return typed, nil
}

// imapLogin takes the two arguments of LOGIN (RFC 9051 section 6.2.3).
func (l *login) imapLogin(cmd command, line string) (*sasl.Credential, error) {
	_, rest := cutWord(trim(strings.TrimPrefix(trim(line), cmd.tag)))
	args, err := l.strings(rest)
	switch {
	case errors.Is(err, errArguments), err == nil && len(args) != 2:
		return nil, l.near.write([]byte(l.syntaxError(cmd)))
	case err != nil:
		return nil, err
	}
	return &sasl.Credential{Login: args[0], Password: args[1]}, nil
}

var errArguments = errors.New("the arguments are not strings")

// announced ends a line whose literal follows (RFC 9051 section 4.3, RFC 7888).
var announced = regexp.MustCompile(`^\{([0-9]{1,9})(\+?)\}$`)

// strings reads the strings that are left of a command: atoms, quoted strings and
// literals.
func (l *login) strings(rest string) (args []string, err error) {
	for rest = trim(rest); rest != ""; rest = strings.TrimLeft(rest, " ") {
		var arg string
		switch found := announced.FindStringSubmatch(rest); {
		case found != nil:
			if arg, rest, err = l.literal(found[1], found[2] == ""); err != nil {
				return nil, err
			}
		case rest[0] == '"':
			var ok bool
			if arg, rest, ok = cutQuoted(rest[1:]); !ok {
				return nil, errArguments
			}
		default:
			arg, rest, _ = strings.Cut(rest, " ")
		}
		args = append(args, arg)
	}
	return args, nil
}

// cutQuoted splits off a quoted string whose first quote has been read.
func cutQuoted(text string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], true
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// literal reads a literal and the rest of its line. One that is too long ends the
// session: it may come without being asked for.
func (l *login) literal(digits string, waits bool) (value, rest string, err error) {
	size, err := strconv.Atoi(digits)
	if err != nil || size > maxLiteral {
		return "", "", l.near.malformedError(errors.New("a literal is too long"))
	}
	if waits {
		if err := l.near.write([]byte("+ Ready\r\n")); err != nil {
			return "", "", err
		}
	}
	if err := l.near.begin(); err != nil {
		return "", "", err
	}
	p := make([]byte, size)
	if _, err := io.ReadFull(l.near.reader, p); err != nil {
		return "", "", l.near.readError(err)
	}
	line, err := l.near.line()
	if err != nil {
		return "", "", err
	}
	return string(p), string(line), nil
}
