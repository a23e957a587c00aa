//go:build unix

package secretfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A FIFO, a directory or a device in the place of a file is an error at once.
func TestNoRegularFile(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, t.TempDir(), "/dev/zero"} {
		for name, read := range map[string]func(string, int64) ([]byte, error){"Read": Read, "ReadKey": ReadKey} {
			if _, err := read(path, 100); err == nil || !strings.HasSuffix(err.Error(), "not a regular file") {
				t.Errorf("%s of %s: %v", name, path, err)
			}
		}
	}
}

// The file that was opened is what counts, also behind a link.
func TestModeOfLinkedKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "key"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(path, []byte("secret"), 0o600), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadKey(link, 6); err != nil || string(got) != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := ReadKey(link, 5); err == nil || !strings.HasSuffix(err.Error(), "has more than 5 bytes") {
		t.Errorf("a file that is too long: %v", err)
	}
	var access *AccessError
	for _, mode := range []os.FileMode{0o604, 0o620, 0o644, 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKey(link, 6); !errors.As(err, &access) || !strings.HasSuffix(err.Error(), "run: chmod 600 "+link) {
			t.Errorf("mode %o: %v", mode, err)
		}
		if got, err := Read(link, 6); err != nil || string(got) != "secret" {
			t.Errorf("mode %o without a secret: %q, %v", mode, got, err)
		}
	}
}

// Another user can change what is his own, whatever its mode.
func TestOwnerOfKey(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := errors.Join(os.WriteFile(path, []byte("secret"), 0o600), os.Chown(path, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	var access *AccessError
	if _, err := ReadKey(path, 6); !errors.As(err, &access) || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("got %v", err)
	}
}
