//go:build unix

package secretfile

import (
	"errors"
	"fmt"
	"net"
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
	socket := filepath.Join(t.TempDir(), "socket")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	once := func(path string, most int64) ([]byte, error) {
		return ReadOnce(path, most, func([]byte) bool { return false })
	}
	for path, what := range map[string]string{fifo: "a pipe (FIFO)", t.TempDir(): "a directory", "/dev/zero": "a device", socket: "a socket"} {
		for name, read := range map[string]func(string, int64) ([]byte, error){
			"Read": Read, "ReadKey": ReadKey, "ReadTrusted": ReadTrusted, "ReadState": ReadState, "ReadPrivate": ReadPrivate, "ReadOnce": once,
		} {
			want := path + " is " + what + " and not a regular file"
			if name == "ReadOnce" && path == fifo {
				want = path + " is a pipe to which nobody writes"
			}
			if _, err := read(path, 100); err == nil || err.Error() != want || WithoutPath(err).Error() != strings.TrimPrefix(want, path+" ") {
				t.Errorf("%s of %s: %v", name, path, err)
			}
		}
	}
	if err := CheckDirectory(fifo); err == nil || !strings.HasSuffix(err.Error(), "is not a directory") {
		t.Errorf("a FIFO as a directory: %v", err)
	}
}

// What is read once may come from a pipe, as from the shell's <(...), also if it is a
// secret: nobody else can open it. It has a limit too.
func TestReadOnceFromAPipe(t *testing.T) {
	t.Parallel()
	for most, want := range map[int64]string{6: "secret", 5: ""} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteString("secret"); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		path := fmt.Sprintf("/dev/fd/%d", r.Fd())
		got, err := ReadOnce(path, most, func([]byte) bool { return true })
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("at most %d bytes: got %q, %v", most, got, err)
		}
		_ = r.Close()
	}
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, isSecret := range map[os.FileMode]bool{0o644: false, 0o640: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadOnce(path, 6, func([]byte) bool { return isSecret }); err != nil || string(got) != "secret" {
			t.Errorf("mode %o: %q, %v", mode, got, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadOnce(path, 6, func([]byte) bool { return true }); !errors.As(err, new(*AccessError)) {
		t.Errorf("a secret that all can read: %v", err)
	}
}

// What decides what is trusted is changed by its owner only, and may be read by all.
func TestReadTrusted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{0o644: true, 0o444: true, 0o600: true, 0o664: false, 0o646: false, 0o602: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := ReadTrusted(path, 4)
		if (err == nil) != ok || err != nil && !strings.HasSuffix(err.Error(), "so that others can change it; run: chmod go-w "+path) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPrivate(path, 4); !errors.As(err, new(*AccessError)) {
		t.Errorf("the group may read a private file: %v", err)
	}
}

// Others cannot replace what is in a directory, unless they could change it anyway.
func TestCheckDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{
		0o700: true, 0o755: true, 0o770: true, 0o777: false, 0o707: false, 0o777 | os.ModeSticky: true, 0o775 | os.ModeSetgid: true,
	} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		err := CheckDirectory(dir)
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "run: chmod go-w "+dir) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	for _, given := range []struct {
		mode        os.FileMode
		user, group int
	}{{0o770, 0, 65534}, {0o700, 65534, 0}} {
		if err := errors.Join(os.Chown(dir, given.user, given.group), os.Chmod(dir, given.mode)); err != nil {
			t.Fatal(err)
		}
		if err := CheckDirectory(dir); !errors.As(err, new(*AccessError)) {
			t.Errorf("%+v: %v", given, err)
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
