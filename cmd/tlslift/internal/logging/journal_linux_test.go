package logging

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// In the journal each line has its level, whatever its form, and also lines of merged
// connections, of dropped lines and of errors that are no log lines. In another file none has.
func TestJournalLevels(t *testing.T) {
	t.Parallel()
	const lines = "level=DEBUG msg=d a=1\nlevel=INFO msg=i a=1\nlevel=WARN msg=w a=1\nlevel=ERROR msg=e g.b=2\nlevel=ERROR+4 msg=x\n"
	for name, test := range map[string]struct {
		journal bool
		want    string
	}{
		"in the journal": {true, "<7>level=DEBUG msg=d a=1\n<6>level=INFO msg=i a=1\n<4>level=WARN msg=w a=1\n<3>level=ERROR msg=e g.b=2\n" +
			"<3>level=ERROR+4 msg=x\n<3>tlslift: a mistake\n"},
		"in a file": {false, lines + "tlslift: a mistake\n"},
	} {
		out := &sink{}
		w := newWriter(out, maxPending, 0)
		if test.journal {
			w.ForJournal()
		}
		log, _ := New(w, Options{Level: slog.LevelDebug})
		put := func(h slog.Handler, level slog.Level, text string) {
			if err := h.Handle(t.Context(), slog.NewRecord(time.Time{}, level, text, 0)); err != nil {
				t.Error(err)
			}
		}
		with := log.Handler().WithAttrs([]slog.Attr{slog.Int("a", 1)})
		put(with, slog.LevelDebug, "d")
		put(with, slog.LevelInfo, "i")
		put(with, slog.LevelWarn, "w")
		put(log.Handler().WithGroup("g").WithAttrs([]slog.Attr{slog.Int("b", 2)}), slog.LevelError, "e")
		put(log.Handler(), slog.LevelError+4, "x")
		w.Say(slog.LevelError, "tlslift: a mistake")
		w.Close()
		if got := out.String(); got != test.want {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}

// The line that says how many were dropped is a warning.
func TestJournalLevelOfDroppedLines(t *testing.T) {
	t.Parallel()
	out := &sink{}
	w := newWriter(out, 60, 0)
	w.ForJournal()
	New(w, Options{JSON: true})
	if line := string(w.describe(3)); line[:3] != "<4>" || line[3] != '{' {
		t.Errorf("got %s", line)
	}
	w.Close()
}

// A stream is known by its device and inode, and not when it is another file.
func TestIsJournal(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	var status syscall.Stat_t
	if err := syscall.Fstat(int(file.Fd()), &status); err != nil {
		t.Fatal(err)
	}
	for stream, want := range map[string]bool{
		fmt.Sprintf("%d:%d", status.Dev, status.Ino): true, fmt.Sprintf("%d:%d", status.Dev, status.Ino+1): false,
		fmt.Sprintf("%d:%d0", status.Dev, status.Ino): false, "": false, ":": false,
	} {
		if got := IsJournal(file, stream); got != want {
			t.Errorf("%q: %v", stream, got)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if IsJournal(file, "0:0") {
		t.Error("a closed file is the journal")
	}
}
