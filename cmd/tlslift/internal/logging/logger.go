// Package logging writes the log, so that nobody has to wait for it: whoever reads it
// may stall or go away. It merges lines of connections that fail for the same reason, so
// that nobody can fill the log.
//
// It never keeps a line that cannot be written, and never changes what is counted.
package logging

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os/signal"
	"syscall"
)

// Options configures New.
type Options struct {
	Level slog.Level // the lowest that is written
	JSON  bool       // or text
}

// New returns a logger that writes to w, and what merges its repeated lines, whose Run has
// to be called. At slog.LevelDebug, no lines are merged.
func New(w *Writer, o Options) (*slog.Logger, *Repeats) {
	w.describeDrops(func(lines int64) []byte { return dropsLine(o, lines) })
	repeats := newRepeats(newHandler(w, o))
	if o.Level <= slog.LevelDebug {
		return slog.New(repeats.out), repeats
	}
	return slog.New(repeats), repeats
}

// Plain returns a logger of a command that ends soon: every line is written at once.
func Plain(w io.Writer, o Options) *slog.Logger { return slog.New(newHandler(w, o)) }

func newHandler(w io.Writer, o Options) slog.Handler {
	options := &slog.HandlerOptions{Level: o.Level}
	if o.JSON {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

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
