package ownca

import (
	"os"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/keystore"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/password"
)

// PasswordFrom returns what gets a password: from a file, or if there is none from stdin, with
// the question on stderr if that is a terminal.
func PasswordFrom(file string, stdin, stderr *os.File) func() (string, error) {
	return func() (string, error) {
		if file != "" {
			return keystore.ReadPassword(file)
		}
		return password.Ask(stdin, stderr)
	}
}
