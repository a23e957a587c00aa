package signin

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"

	"github.com/tlslift/tlslift/proxy/secretfile"
)

// maxSecretFile bounds a file with a secret, or with a certificate and its key.
const maxSecretFile = 64 << 10

// readFile returns the content of a file with a secret, of at most limit bytes. Its error does not
// repeat the path: what stands in its place may be a secret.
func readFile(path string, limit int) ([]byte, error) {
	text, err := secretfile.ReadKey(path, int64(limit))
	if err != nil {
		return nil, withoutPath(err)
	}
	return text, nil
}

func withoutPath(err error) error {
	if errors.As(err, new(*fs.PathError)) {
		return fmt.Errorf("cannot be read: %w", secretfile.WithoutPath(err))
	}
	return secretfile.WithoutPath(err)
}

// parseSecret returns the one line of a file with a secret.
func parseSecret(text []byte, limit int) (Secret, error) {
	line := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case line == "":
		return Secret{}, errors.New("is empty")
	case len(line) > limit:
		return Secret{}, fmt.Errorf("has a secret of more than %d bytes", limit)
	case strings.ContainsFunc(line, unicode.IsControl):
		return Secret{}, errors.New("has more than one line, or characters that are no text")
	}
	return NewSecret(line), nil
}

// checkCertificate reports what is wrong with a certificate and its key.
func checkCertificate(text []byte) error {
	if _, err := tls.X509KeyPair(text, text); err != nil {
		return errors.New("does not have a certificate and its key without a password, both in PEM")
	}
	return nil
}
