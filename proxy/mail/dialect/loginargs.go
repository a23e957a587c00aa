package dialect

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// Mechanism returns the mechanism in the line of AUTH or AUTHENTICATE, in upper case,
// and the initial response; each is empty if there is none.
func Mechanism(cmd Command, line string) (name, initial string) {
	words := strings.Fields(strings.TrimPrefix(line, cmd.Tag))
	if len(words) > 1 {
		name = upper(words[1])
	}
	if len(words) > 2 {
		initial = words[2]
	}
	return name, initial
}

// Argument returns what follows the verb in the line of POP3's USER or PASS. A password
// is the rest of its line, with its blanks (RFC 1939 section 7).
func Argument(cmd Command, line string) string {
	if text := strings.TrimLeft(line, " \t"); len(text) > len(cmd.Verb) {
		return text[len(cmd.Verb)+1:]
	}
	return ""
}

// An Arguments reads the arguments of IMAP's LOGIN (RFC 9051 section 6.2.3): atoms,
// quoted strings and literals. A literal is followed by the next line of the command.
type Arguments struct {
	Strings []string // that were read
}

// A Literal is announced at the end of a line, and follows it (RFC 9051 section 4.3, RFC
// 7888).
type Literal struct {
	Size  int
	Waits bool // the client waits for a continuation request
}

// ErrArguments is the error for arguments that are not two strings.
var ErrArguments = errors.New("the arguments are not two strings")

// maxArguments is how many there are: more would make a command without an end.
const maxArguments = 2

// Command takes in the first line of the command. It returns the literal that follows
// the line; nil if the arguments end with it.
func (a *Arguments) Command(cmd Command, line string) (*Literal, error) {
	_, rest := cutWord(trim(strings.TrimPrefix(trim(line), cmd.Tag)))
	return a.line(rest)
}

// Literal takes in a literal and the line that follows it. It returns what Command does.
// After an error the line may have announced a literal, too.
func (a *Arguments) Literal(value, line string) (*Literal, error) {
	a.Strings = append(a.Strings, value)
	return a.line(strings.TrimLeft(line, " "))
}

// announced ends a line whose literal follows.
var announced = regexp.MustCompile(`^\{([0-9]{1,9})(\+?)\}$`)

// line takes in what is left of a line.
func (a *Arguments) line(rest string) (*Literal, error) {
	for rest != "" {
		if len(a.Strings) == maxArguments {
			return nil, ErrArguments
		}
		if found := announced.FindStringSubmatch(rest); found != nil {
			size, _ := strconv.Atoi(found[1]) // cannot fail
			return &Literal{Size: size, Waits: found[2] == ""}, nil
		}
		var arg string
		if rest[0] == '"' {
			var ok bool
			if arg, rest, ok = cutQuoted(rest[1:]); !ok {
				return nil, ErrArguments
			}
		} else {
			arg, rest, _ = strings.Cut(rest, " ")
		}
		a.Strings = append(a.Strings, arg)
		rest = strings.TrimLeft(rest, " ")
	}
	if len(a.Strings) < maxArguments {
		return nil, ErrArguments
	}
	return nil, nil
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
