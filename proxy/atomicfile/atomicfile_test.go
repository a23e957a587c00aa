package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// want checks that path has the content and the mode, and is alone in its
// directory.
func want(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != content {
		t.Errorf("%s has %.20q, %v; want %q", path, got, err, content)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != mode {
		t.Errorf("%v, %v; want the mode %s", info, err, mode)
	}
	alone(t, path)
}

// alone checks that there is nothing else in the directory of path.
func alone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "some.json")
	for _, content := range []string{"first", "a second, longer one", "", "3rd"} {
		if err := Replace(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		want(t, path, content, 0o600)
	}
}

// Who could read the file before, cannot read the new content.
func TestReplaceDropsWiderModes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "some.json")
	if err := Create(path, []byte("public"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	want(t, path, "secret", 0o600)
}

func TestReplaceFails(t *testing.T) {
	t.Parallel()
	taken := filepath.Join(t.TempDir(), "taken")
	if err := os.MkdirAll(filepath.Join(taken, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(taken, []byte("x")); err == nil {
		t.Error("a directory is replaced")
	}
	alone(t, taken)
	if err := Replace(filepath.Join(taken, "absent", "some.json"), []byte("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file in no directory: %v", err)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ca.crt")
	if err := Create(path, []byte("first"), 0o644); err != nil {
		t.Fatal(err)
	}
	want(t, path, "first", 0o644)
	if err := Create(path, []byte("second"), 0o644); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that exists: %v", err)
	}
	want(t, path, "first", 0o644)
}
