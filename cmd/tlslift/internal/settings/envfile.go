package settings

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

// maxEnvFile bounds an env file; a real one has some kilobytes.
const maxEnvFile = 1 << 20

// An assignment is one NAME=value line of an env file.
type assignment struct {
	name, value string
	line        int
}

// readEnvFile reads and parses an env file; the error does not repeat path.
func readEnvFile(path string) ([]assignment, error) {
	var all []assignment
	var wrong error
	_, err := secretfile.ReadOnce(path, maxEnvFile, func(text []byte) bool {
		all, wrong = parseEnvFile(string(text))
		return slices.ContainsFunc(all, assignment.hasPassword)
	})
	if err != nil && errors.As(err, new(*secretfile.AccessError)) {
		return all, errors.Join(wrong, err)
	}
	if err != nil {
		return nil, SystemError(err)
	}
	return all, wrong
}

// hasPassword reports whether the value is a URL with a password.
func (a assignment) hasPassword() bool {
	isSecret := slices.ContainsFunc(table, func(row setting) bool { return row.secret && Prefix+row.name == a.name })
	u, err := url.Parse(a.value)
	if !isSecret || err != nil {
		return false
	}
	_, has := u.User.Password()
	return has
}

// parseEnvFile understands the part of systemd's EnvironmentFile format whose values have
// one line, however many lines they are written in:
//
//	file    = { line "\n" }
//	line    = [ comment | NAME "=" value ]     blanks around each are ignored
//	comment = ( "#" | ";" ) anything
//	value   = plain | "'" anything but ' "'" | '"' text '"'
//
// A plain value goes to the end of the line: # and backslashes in it are
// ordinary. Between double quotes, a backslash takes the meaning from a
// following double quote, backslash, dollar sign or backquote, and is ordinary
// otherwise. A backslash at the end of the line, in a plain value or between double
// quotes, is removed together with the end of the line. Nothing is expanded. Its error
// has a line for each wrong line, and never shows a value, which may be a secret.
//
// What systemd reads and this does not is an error here, with one exception: systemd takes
// a backslash out of the middle of a plain value, which may be a path of Windows.
func parseEnvFile(text string) ([]assignment, error) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, errors.New("the file is not UTF-8 text")
	}
	var all []assignment
	var errs []error
	lineOf := map[string]int{}
	// Some editors on Windows begin a file with a byte order mark.
	lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
	for next := 0; next < len(lines); {
		number := next + 1
		line, taken, err := joined(lines[next:])
		next += taken
		if err == nil && line == "" {
			continue
		}
		var name, value string
		if err == nil {
			name, value, err = parseAssignment(line)
		}
		if err == nil && lineOf[name] != 0 {
			err = fmt.Errorf("%s is already set in line %d; remove one of the two", name, lineOf[name])
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", number, err))
			continue
		}
		lineOf[name] = number
		all = append(all, assignment{name, value, number})
	}
	return all, errors.Join(errs...)
}

// joined returns the first line without the blanks around it, with the lines in which its
// value goes on, and how many they are together. It is empty for a comment.
func joined(lines []string) (line string, taken int, err error) {
	line = strings.TrimSpace(lines[0])
	if line == "" || line[0] == '#' || line[0] == ';' {
		return "", 1, nil
	}
	if _, value, _ := strings.Cut(line, "="); strings.HasPrefix(strings.TrimSpace(value), "'") {
		return line, 1, nil // a backslash is ordinary there
	}
	var b strings.Builder
	for _, part := range lines {
		part = strings.TrimSuffix(part, "\r")
		if taken > 0 && isSetting(part) {
			return "", taken, errors.New("the value ends with a backslash, and the next line is a setting; quote the value, or remove the backslash")
		}
		taken++
		rest := strings.TrimRight(part, `\`)
		if (len(part)-len(rest))%2 == 0 {
			b.WriteString(part)
			return strings.TrimSpace(b.String()), taken, nil
		}
		b.WriteString(part[:len(part)-1])
	}
	return "", taken, errors.New(`a value that ends with a backslash goes on in the next line, and there is none; quote it`)
}

// isSetting reports whether a line sets one of ours.
func isSetting(line string) bool {
	name, _, found := strings.Cut(strings.TrimSpace(line), "=")
	return found && strings.HasPrefix(name, Prefix) && envName.MatchString(strings.TrimSpace(name))
}

// envName is what POSIX calls a name.
var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func parseAssignment(line string) (name, value string, err error) {
	name, value, found := strings.Cut(line, "=")
	if !found {
		return "", "", errors.New("there is no =; write NAME=value")
	}
	name = strings.TrimSpace(name)
	if !envName.MatchString(name) {
		return "", "", fmt.Errorf("%q is not a name; write NAME=value, without export", netname.Cut(name, 60))
	}
	value, err = unquote(strings.TrimSpace(value))
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", name, err)
	}
	return name, value, nil
}

func unquote(s string) (string, error) {
	switch {
	case s == "":
		return "", nil
	case s[0] == '\'':
		value, rest, closed := strings.Cut(s[1:], "'")
		return value, checkEnd(rest, closed)
	case s[0] == '"':
		value, rest, closed := cutDoubleQuoted(s[1:])
		return value, checkEnd(rest, closed)
	case strings.HasSuffix(s, `\`):
		return "", errors.New(`a value that ends with a backslash has to be in quotes`)
	}
	return s, nil
}

func checkEnd(rest string, closed bool) error {
	switch {
	case !closed:
		return errors.New("the quote is not closed on the same line")
	case strings.TrimSpace(rest) != "":
		return errors.New("something follows the closing quote")
	}
	return nil
}

// cutDoubleQuoted returns what is before and after the closing quote.
func cutDoubleQuoted(s string) (value, rest string, closed bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte("\"\\$`", s[i+1]) >= 0:
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
