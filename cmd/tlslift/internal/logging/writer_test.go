package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
)

// A sink is what a log is written to. It may stall, and it may fail.
type sink struct {
	mu    sync.Mutex
	text  bytes.Buffer
	fails error
	takes int           // how many bytes of a write it takes before it fails
	stall chan struct{} // a write waits until it is closed
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stall != nil {
		<-s.stall
	}
	if s.fails != nil {
		n := min(s.takes, len(p))
		s.text.Write(p[:n])
		return n, s.fails
	}
	return s.text.Write(p)
}

// set changes how the sink fails.
func (s *sink) set(takes int, fails error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takes, s.fails = takes, fails
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

var errGone = errors.New("nobody reads")

func write(t *testing.T, w *Writer, lines string) {
	t.Helper()
	if n, err := w.Write([]byte(lines)); n != len(lines) || err != nil {
		t.Errorf("writing %q: %d, %v", lines, n, err)
	}
}

// describe sets a short line for tests.
func describe(w *Writer) {
	w.describeDrops(func(lines int64) []byte { return fmt.Appendf(nil, "!%d\n", lines) })
}

func wantText(t *testing.T, s *sink, want string) {
	t.Helper()
	if got := s.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func wantDropped(t *testing.T, w *Writer, want int64) {
	t.Helper()
	if got := w.Dropped(); got != want {
		t.Errorf("%d lines were dropped, want %d", got, want)
	}
}

func TestWriter(t *testing.T) {
	t.Parallel()
	var s sink
	w := NewWriter(&s)
	t.Cleanup(func() { w.Close() })
	write(t, w, "one\n")
	write(t, w, "two\nthree\n")
	if !w.Close() {
		t.Error("not closed")
	}
	wantText(t, &s, "one\ntwo\nthree\n")
	write(t, w, "four\n") // a line after the end does no harm
	wantDropped(t, w, 1)
	if !w.Close() {
		t.Error("not closed again")
	}
}

// TestWriterStalled: what does not fit is dropped, the rest is written when the reader
// goes on, and a line says how many are missing.
func TestWriterStalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{stall: make(chan struct{})}
		w := newWriter(s, 12, 0)
		describe(w)
		write(t, w, "first\n")
		synctest.Wait()
		write(t, w, "next\n")
		write(t, w, "too many\n")
		write(t, w, "and\nmore\n")
		wantDropped(t, w, 3)
		close(s.stall)
		synctest.Wait()
		wantText(t, s, "first\n!3\nnext\n")
		write(t, w, "again\n")
		if !w.Close() {
			t.Error("not closed")
		}
		wantText(t, s, "first\n!3\nnext\nagain\n")
		wantDropped(t, w, 3)
	})
}

// TestWriterCloseStalled: the end of the program waits a second for the reader.
func TestWriterCloseStalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{stall: make(chan struct{})}
		w := newWriter(s, maxPending, 0)
		write(t, w, "line\n")
		start := time.Now()
		if w.Close() || time.Since(start) != closeWait {
			t.Errorf("waited %s", time.Since(start))
		}
		close(s.stall)
		<-w.done
	})
}

// TestWriterFails: a reader that is gone, or a full disk, loses lines and no more, and
// what comes after an unfinished line begins a new one.
func TestWriterFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{fails: errGone, takes: 6}
		w := newWriter(s, maxPending, 0)
		describe(w)
		write(t, w, "one\ntwo\nthree\n")
		synctest.Wait()
		wantText(t, s, "one\ntw")
		wantDropped(t, w, 2)
		s.set(0, errGone)
		write(t, w, "four\n")
		synctest.Wait()
		wantDropped(t, w, 3)
		s.set(0, nil)
		write(t, w, "five\n")
		write(t, w, "six\n")
		if !w.Close() {
			t.Error("not closed")
		}
		if got := s.String(); got != "one\ntw\nfive\nsix\n!3\n" && got != "one\ntw\nfive\n!3\nsix\n" {
			t.Errorf("got %q", got)
		}
	})
}

// TestWriterTellsAgain: a line about missing lines that is lost itself is told again.
func TestWriterTellsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{fails: errGone}
		w := newWriter(s, maxPending, 0)
		takes := 0
		w.describeDrops(func(lines int64) []byte {
			s.set(takes, errGone)
			return []byte("lost\n")
		})
		write(t, w, "one\n")
		synctest.Wait()
		s.set(0, nil)
		write(t, w, "two\n") // and then the reader goes away again
		synctest.Wait()
		wantText(t, s, "two\n")
		s.set(0, nil)
		takes = 2 // or the disk is full in the middle of the line
		write(t, w, "three\n")
		synctest.Wait()
		wantText(t, s, "two\nthree\nlo")
		describe(w)
		s.set(0, nil)
		write(t, w, "four\n")
		w.Close()
		wantText(t, s, "two\nthree\nlo\nfour\n!1\n")
	})
}

func TestDropsLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{JSON: true}, `"level":"WARN","msg":"log lines were dropped, because they could not be written in time","lines":7}` + "\n"},
		{Options{}, `level=WARN msg="log lines were dropped, because they could not be written in time" lines=7` + "\n"},
	} {
		if got := string(dropsLine(c.options, 7)); !strings.HasSuffix(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := dropsLine(Options{Level: slog.LevelError}, 7); len(got) > 0 {
		t.Errorf("below the level, got %q", got)
	}
}

// A client chooses its server name. In the log there is nothing that a terminal obeys or
// that turns text around, and JSON has it all the same.
func TestLinesHaveNoEscapes(t *testing.T) {
	t.Parallel()
	const name = "a\x1b[2J\u009b31m\x7f\u202ee\u200b\U000e0041.example ü 漢 😀"
	for _, asJSON := range []bool{false, true} {
		var b bytes.Buffer
		Plain(&b, Options{JSON: asJSON}).Info(name, "server_name", name, "error", errors.New(name))
		line := strings.TrimSuffix(b.String(), "\n")
		if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || !strings.Contains(line, "ü 漢 😀") {
			t.Errorf("JSON %t: %q", asJSON, line)
		}
		if !asJSON {
			continue
		}
		var got map[string]any
		if err := json.Unmarshal(b.Bytes(), &got); err != nil || got["server_name"] != name || got["error"] != name || got["msg"] != name {
			t.Errorf("%s: %v, %v", line, got, err)
		}
	}
}

// Lines that come within a moment are written at once, and none waits longer than that.
func TestWriterGathersLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		w := NewWriter(s)
		defer w.Close()
		for i, line := range []string{"one\n", "two\n", "three\n"} {
			write(t, w, line)
			synctest.Wait()
			if got := s.String(); got != "" {
				t.Errorf("%q was written after %d lines", got, i+1)
			}
			time.Sleep(gatherTime / 4)
		}
		time.Sleep(gatherTime / 4)
		synctest.Wait()
		if got := s.String(); got != "one\ntwo\nthree\n" {
			t.Errorf("got %q", got)
		}
		write(t, w, "four\n")
		time.Sleep(gatherTime)
		synctest.Wait()
		if got := s.String(); got != "one\ntwo\nthree\nfour\n" {
			t.Errorf("got %q", got)
		}
	})
}

// The end of the program waits for nothing.
func TestWriterClosesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		w := NewWriter(s)
		write(t, w, "last words\n")
		synctest.Wait()
		began := time.Now()
		if !w.Close() || s.String() != "last words\n" || time.Since(began) != 0 {
			t.Errorf("got %q after %v", s, time.Since(began))
		}
		w.Close() // does no harm
	})
}
