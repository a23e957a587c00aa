package ownca

import (
	"errors"
	"os"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/password"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

// maxPassword is more than any password that can be used.
const maxPassword = 4096

// PasswordFrom returns what gets a password: from a file, or if there is none from stdin, with
// the question on stderr if that is a terminal.
func PasswordFrom(file string, stdin, stderr *os.File) func() (string, error) {
	return func() (string, error) {
		if file != "" {
			return readPassword(file)
		}
		return password.Ask(stdin, stderr)
	}
}

// readPassword returns the password that a file has in its one line. Nobody but its owner,
// and the group, may read the file.
func readPassword(path string) (string, error) {
	data, err := secretfile.ReadOnce(path, maxPassword, func([]byte) bool { return true })
	if err != nil {
		return "", err
	}
	word := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case word == "":
		return "", errors.New(path + " has no password: it is empty")
	case strings.Contains(word, "\n"):
		return "", errors.New(path + " has more than one line, and a password is one")
	}
	return word, nil
}
