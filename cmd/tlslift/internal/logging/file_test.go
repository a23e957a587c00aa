package logging

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// wantFiles checks the files of a directory by their names and contents.
func wantFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(want) {
		t.Errorf("%d files, want %d: %v %v", len(entries), len(want), entries, err)
	}
	for name, text := range want {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != text {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, text)
		}
	}
}

func writeLines(t *testing.T, f *File, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if n, err := f.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatalf("%q: %d, %v", line, n, err)
		}
	}
}

// A log is never longer than its files together, and the newest lines are kept.
func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := &File{Path: filepath.Join(dir, "log"), Max: 8, Old: 2}
	defer f.Close()
	writeLines(t, f, "1\n", "2\n", "345\n")
	wantFiles(t, dir, map[string]string{"log": "1\n2\n345\n"})
	writeLines(t, f, "6\n", "longer than a file\n", "7\n")
	wantFiles(t, dir, map[string]string{"log.2": "6\n", "log.1": "longer than a file\n", "log": "7\n"})
	for i := range 100 {
		writeLines(t, f, fmt.Sprintf("%d\n", i))
	}
	wantFiles(t, dir, map[string]string{"log.2": "94\n95\n", "log.1": "96\n97\n", "log": "98\n99\n"})
}

// A service that starts again goes on with the file that is there.
func TestFileGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, line := range []string{"1234\n", "56\n", "78\n"} {
		f := &File{Path: filepath.Join(dir, "log"), Max: 8}
		writeLines(t, f, line)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantFiles(t, dir, map[string]string{"log": "78\n"})
}

// A file that cannot be renamed is emptied; and when a directory that was away is back, so is
// the log.
func TestFileThatCannotBeRenamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := &File{Path: filepath.Join(dir, "log"), Max: 4, Old: 1}
	defer f.Close()
	if err := os.MkdirAll(filepath.Join(dir, "log.1", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeLines(t, f, "123\n", "456\n")
	if got, err := os.ReadFile(f.Path); err != nil || string(got) != "456\n" {
		t.Errorf("got %q, %v", got, err)
	}
	away := &File{Path: filepath.Join(dir, "away", "log"), Max: 4}
	defer away.Close()
	if n, err := away.Write([]byte("1\n")); n != 0 || err == nil || !strings.Contains(err.Error(), "away") {
		t.Errorf("got %d, %v", n, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "away"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeLines(t, away, "2\n")
	wantFiles(t, filepath.Join(dir, "away"), map[string]string{"log": "2\n"})
}

// Warnings and errors are also in a second log, in a form of its own, merged as in the first.
func TestCopyWarnings(t *testing.T) {
	t.Parallel()
	var all, some strings.Builder
	w, to := newWriter(&all, maxPending, 0), newWriter(&some, maxPending, 0)
	w.CopyWarnings(to)
	log, repeats := New(w, Options{JSON: true})
	log.Info("started")
	log.Warn("a disk is full\nlevel=ERROR", "at", "now")
	for range 3 {
		log.Error(connectionMessage, "reason", "x", "client", "10.0.0.7")
	}
	repeats.Flush()
	w.Close()
	to.Close()
	if got := strings.Count(all.String(), "\n"); got != 4 {
		t.Errorf("%d lines:\n%s", got, all.String())
	}
	want := `level=WARN msg="a disk is full\nlevel=ERROR" at=now
level=ERROR msg=connection reason=x client=10.0.0.7
level=ERROR msg="connection repeated" times=2 reason=x client=10.0.0.7
`
	if got := some.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
