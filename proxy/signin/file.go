package signin

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"unicode"
)

// maxSecretFile bounds a file with a secret, or with a certificate and its key.
const maxSecretFile = 64 << 10

// readFile returns the content of a file with at most limit bytes that nobody but its
// owner and its group may read, and only the owner may write. Its error does not
// repeat the path: what stands in its place may be a secret.
func readFile(path string, limit int) ([]byte, error) {
	// Opening a FIFO would wait for who writes to it.
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close() // only read from
	if info, err = f.Stat(); err != nil {
		return nil, withoutPath(err)
	}
	// On Windows these bits say nothing.
	if mode := info.Mode().Perm(); mode&0o037 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("has mode %04o, so that others can read or change it; run chmod 600 on it", mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(text) > limit {
		return nil, fmt.Errorf("has more than %d bytes", limit)
	}
	return text, nil
}

func withoutPath(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return fmt.Errorf("cannot be read: %w", e.Err)
	}
	return err
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
