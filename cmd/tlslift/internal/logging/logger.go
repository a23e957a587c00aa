// Package logging writes the log, so that nobody has to wait for it: whoever reads it
// may stall or go away. It merges lines of connections that fail for the same reason, so
// that nobody can fill the log.
//
// It never keeps a line that cannot be written, and never changes what is counted.
package logging

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"syscall"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Options configures New.
type Options struct {
	Level slog.Leveler // the lowest that is written, which may change; nil means slog.LevelInfo
	JSON  bool         // or text
}

// New returns a logger that writes to w, and what merges its repeated lines, whose Run has
// to be called. While the level is slog.LevelDebug, no lines are merged.
func New(w *Writer, o Options) (*slog.Logger, *Repeats) {
	w.describeDrops(func(lines int64) []byte { return append([]byte(w.mark(slog.LevelWarn)), dropsLine(o, lines)...) })
	handler := newHandler(w, o)
	if w.journal {
		handler = newJournalHandler(w, o)
	}
	if w.copy != nil {
		handler = slog.NewMultiHandler(handler, newCopyHandler(w.copy))
	}
	repeats := newRepeats(handler)
	return slog.New(repeats), repeats
}

// newCopyHandler returns the handler of warnings and errors that are also written to a log of
// the system. They are text, which begins with the level: that log has a time of its own.
func newCopyHandler(w io.Writer) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// Plain returns a logger of a command that ends soon: every line is written at once.
func Plain(w io.Writer, o Options) *slog.Logger { return slog.New(newHandler(w, o)) }

func newHandler(w io.Writer, o Options) slog.Handler {
	options := &slog.HandlerOptions{Level: o.Level}
	if o.JSON {
		return slog.NewJSONHandler(escaper{w}, options)
	}
	return slog.NewTextHandler(w, options)
}

// An escaper is an io.Writer of lines of JSON, in which it escapes what a terminal obeys
// or what turns text around: slog does so in lines of text, and in JSON with ASCII only.
type escaper struct{ w io.Writer }

// Write implements io.Writer.
func (e escaper) Write(line []byte) (int, error) {
	if isASCII(line) || !bytes.ContainsFunc(line, isHidden) {
		return e.w.Write(line)
	}
	escaped := make([]byte, 0, 2*len(line))
	for _, r := range string(line) {
		switch high, low := utf16.EncodeRune(r); {
		case !isHidden(r):
			escaped = utf8.AppendRune(escaped, r)
		case high == utf8.RuneError: // it needs no pair
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
		}
	}
	if _, err := e.w.Write(escaped); err != nil {
		return 0, err
	}
	return len(line), nil
}

// isASCII reports whether a line has only characters of ASCII that can be seen, as nearly
// all have: that is found seven times as fast.
func isASCII(line []byte) bool {
	for _, c := range line {
		if (c < ' ' || c > '~') && c != '\n' {
			return false
		}
	}
	return true
}

// isHidden reports whether a character is no end of a line, and cannot be seen.
func isHidden(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }

// dropsLine returns the line that says how many lines were dropped.
func dropsLine(o Options, lines int64) []byte {
	var b bytes.Buffer
	slog.New(newHandler(&b, o)).LogAttrs(context.Background(), slog.LevelWarn,
		"log lines were dropped, because they could not be written in time", slog.Int64("lines", lines))
	return b.Bytes()
}

// SurviveReader lets the process go on when nobody reads its standard output and standard
// error any more. Without it the system ends the process with SIGPIPE.
func SurviveReader() { signal.Ignore(syscall.SIGPIPE) }
