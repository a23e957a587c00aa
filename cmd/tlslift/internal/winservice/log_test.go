package winservice

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
)

// Everything is in the file, and what is wrong is in the log of Windows too.
func TestLog(t *testing.T) {
	t.Parallel()
	var got events
	path := filepath.Join(t.TempDir(), "tlslift.log")
	l := newLog(path, &got)
	log, _ := logging.New(l.Writer, logging.Options{JSON: true})
	log.Info("started")
	log.Warn("a listener is gone", "port", 587)
	l.failed(errors.New("TLSLIFT_A: wrong\nTLSLIFT_B: wrong too"), 64)
	l.close()
	want := []string{
		`1 warning: level=WARN msg="a listener is gone" port=587`,
		`2 error: level=ERROR msg="the service has failed" error="TLSLIFT_A: wrong" exit_code=64`,
		`2 error: level=ERROR msg="the service has failed" error="TLSLIFT_B: wrong too" exit_code=64`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "\n") != 4 {
		t.Errorf("got %s, %v", text, err)
	}
}

// The last crash and the one before it are kept, and a start without one changes nothing.
func TestKeepCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crash.log")
	t.Cleanup(func() { _ = debug.SetCrashOutput(nil, debug.CrashOptions{}) })
	for range 2 { // the second start finds an empty file
		if err := os.WriteFile(path, []byte("panic: x"), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := keepCrash(path); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := os.ReadFile(path + ".1"); err != nil || string(text) != "panic: x" {
			t.Errorf("got %q, %v", text, err)
		}
	}
}
