package statefile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := File{filepath.Join(dir, "some.json")}
	if _, err := s.Load(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("loading what is not there: %v", err)
	}
	for _, text := range []string{"first", "a second, longer one", "", "3rd"} {
		if err := s.Save([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Load(); err != nil || string(got) != text {
			t.Errorf("got %q, %v; want %q", got, err, text)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
	info, err := os.Stat(s.path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// What cannot be saved leaves what was there, and no rubbish beside it.
func TestFileThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := File{filepath.Join(dir, "some.json")}
	if err := s.Save([]byte("good")); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(make([]byte, maxSize+1)); err == nil {
		t.Error("a file of any length is written")
	}
	if got, err := s.Load(); err != nil || string(got) != "good" {
		t.Errorf("got %.20q, %v", got, err)
	}
	if err := os.WriteFile(s.path, bytes.Repeat([]byte("x"), maxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(); err == nil {
		t.Error("a file of any length is read")
	}
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (File{taken}).Save([]byte("x")); err == nil {
		t.Error("a directory is replaced")
	}
	if err := (File{filepath.Join(dir, "absent", "some.json")}).Save([]byte("x")); err == nil {
		t.Error("a file in no directory is written")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}

func TestFileSetAside(t *testing.T) {
	t.Parallel()
	s := File{filepath.Join(t.TempDir(), "some.json")}
	for _, text := range []string{"torn", "torn again"} {
		if err := s.Save([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := s.SetAside(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("loading what is set aside: %v", err)
		}
		if got, err := (File{s.path + ".broken"}).Load(); err != nil || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
	}
}
