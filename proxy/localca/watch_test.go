package localca

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Files of the CA that are gone or changed while it runs are noticed once, and so is that
// they are right again; the CA goes on meanwhile.
func TestFilesThatChange(t *testing.T) {
	t.Parallel()
	spoilers := map[string]func(dir string) error{
		"the directory is gone": func(dir string) error { return os.Rename(dir, dir+".aside") },
		"no certificate":        func(dir string) error { return os.Remove(filepath.Join(dir, "ca.pem")) },
		"no key":                func(dir string) error { return os.Remove(filepath.Join(dir, "ca.key")) },
		"another key":           func(dir string) error { return os.WriteFile(filepath.Join(dir, "ca.key"), []byte("x"), 0o600) },
		"an empty certificate":  func(dir string) error { return os.Truncate(filepath.Join(dir, "ca.pem"), 0) },
	}
	if runtime.GOOS != "windows" {
		spoilers["a key that all can read"] = func(dir string) error { return os.Chmod(filepath.Join(dir, "ca.key"), 0o644) }
		spoilers["a certificate that all can change"] = func(dir string) error { return os.Chmod(filepath.Join(dir, "ca.pem"), 0o666) }
	}
	made := open(t, Options{})
	for name, spoil := range spoilers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "ca")
			if err := os.CopyFS(dir, os.DirFS(made.dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, "ca.key"), 0o600); err != nil {
				t.Fatal(err)
			}
			ca := open(t, Options{Dir: dir})
			var text bytes.Buffer
			log := slog.New(slog.NewTextHandler(&text, nil))
			look(ca, log)
			if text.Len() != 0 || ca.FileProblem() != "" {
				t.Fatalf("nothing has changed: %s", &text)
			}
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				look(ca, log)
			}
			if strings.Count(text.String(), "\n") != 1 || !strings.Contains(text.String(), "level=ERROR") ||
				!strings.Contains(ca.FileProblem(), dir) {
				t.Errorf("%q: %s", ca.FileProblem(), &text)
			}
			leaf(t, ca, "outlook.office365.com")
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(dir, os.DirFS(made.dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, "ca.key"), 0o600); err != nil {
				t.Fatal(err)
			}
			look(ca, log)
			if ca.FileProblem() != "" || !strings.HasSuffix(text.String(), "can be loaded again\"\n") {
				t.Errorf("after they were restored: %q, %s", ca.FileProblem(), &text)
			}
		})
	}
}

func TestWatchLooksEachMinute(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	if err := os.Remove(filepath.Join(ca.dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*lookEvery)
		defer cancel()
		began := time.Now()
		ca.Watch(ctx, slog.New(slog.DiscardHandler))
		if ca.FileProblem() == "" || time.Since(began) != 3*lookEvery {
			t.Errorf("%q after %s", ca.FileProblem(), time.Since(began))
		}
	})
}
