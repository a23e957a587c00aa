// Package password makes the hash of a new password: it asks a person for it or reads
// it from standard input, refuses what no device can send, and says what devices may
// have trouble with. It prints nothing of the password.
package password

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/tlslift/tlslift/proxy/signin"
)

// Help and Example are those of the command.
const Help = `Reads a password and prints its hash, for password: in the sign-in file
(TLSLIFT_SIGNIN_FILE). Type the same password on the device. On a terminal it asks
twice and shows nothing; otherwise it reads one line from standard input.

Many devices take few characters: Epson 20, Xerox 31. A short password is not as
weak as it looks, since tlslift limits and slows wrong ones, but the hash can be
tried without limit by whoever can read the file: keep it from others.

The hash is one of bcrypt, which takes 72 bytes, or of argon2id. It is different
each time.`

const Example = `  tlslift password
  tlslift password --argon2
  openssl rand -base64 12 | tee /dev/tty | tlslift password`

// maxInput is more than any password that can be used.
const maxInput = 4096

// Read reads a password from stdin. If that is a terminal, it asks for it twice, with
// its questions on stderr.
func Read(stdin, stderr *os.File) (string, error) {
	if !term.IsTerminal(int(stdin.Fd())) {
		return readLine(stdin)
	}
	words, err := ask(stdin, stderr, "Password: ", "The same again: ")
	switch {
	case err != nil:
		return "", err
	case words[0] != words[1]:
		return "", errors.New("the two passwords are different; try again")
	}
	return words[0], nil
}

// Ask is Read for a password that exists already: it asks once.
func Ask(stdin, stderr *os.File) (string, error) {
	if !term.IsTerminal(int(stdin.Fd())) {
		return readLine(stdin)
	}
	words, err := ask(stdin, stderr, "Password: ")
	if err != nil {
		return "", err
	}
	return words[0], nil
}

// Hash returns the hash of a password, and hints about it. Its error says what is wrong
// with the password, and repeats nothing of it.
func Hash(password string, kind signin.HashKind) (hash string, hints []string, err error) {
	if err := check(password); err != nil {
		return "", nil, err
	}
	hash, err = signin.Hash(password, kind)
	switch {
	case errors.Is(err, signin.ErrTooLong) && kind == signin.Bcrypt:
		err = fmt.Errorf("the password has %d bytes, and bcrypt takes %d; use a shorter one, or --argon2", len(password), signin.MaxBcrypt)
	case errors.Is(err, signin.ErrTooLong):
		err = fmt.Errorf("the password has %d bytes; use a shorter one", len(password))
	}
	return hash, hintsFor(password), err
}

// readLine reads the one line that r has.
func readLine(r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput))
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

// errNotEntered says that somebody left the question.
var errNotEntered = errors.New("no password was entered")

// ask asks for a password with each of the questions.
func ask(stdin, stderr *os.File, questions ...string) (words []string, err error) {
	fd := int(stdin.Fd())
	// In raw mode Ctrl-C is a character like others: nothing ends the program before
	// the terminal shows again what is typed.
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, fmt.Errorf("turning off the terminal's echo: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(fd, before)) }()
	terminal := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{stdin, stderr}, "")
	for _, question := range questions {
		word, err := terminal.ReadPassword(question)
		if err != nil {
			return nil, errNotEntered
		}
		words = append(words, word)
	}
	return words, nil
}

// check refuses a password that no device can send.
func check(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case !utf8.ValidString(password):
		return errors.New("the password is not UTF-8 text")
	case strings.ContainsFunc(password, unicode.IsControl):
		return errors.New("the password has more than one line, or a control character, which devices cannot send")
	}
	return nil
}

// hintsFor returns what may go wrong with a password on a device.
func hintsFor(password string) []string {
	var hints []string
	switch n := utf8.RuneCountInString(password); {
	case n > 31:
		hints = append(hints, fmt.Sprintf("the password has %d characters; Epson takes 20, Xerox 31, many others no more", n))
	case n > 20:
		hints = append(hints, fmt.Sprintf("the password has %d characters; Epson takes 20, many others no more", n))
	}
	if strings.ContainsFunc(password, func(c rune) bool { return c > unicode.MaxASCII }) {
		hints = append(hints, "the password has characters beyond ASCII, which devices encode in different ways")
	}
	if strings.TrimSpace(password) != password {
		hints = append(hints, "the password begins or ends with a space, which some devices remove")
	}
	return hints
}
