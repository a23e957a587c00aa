package logging

import (
	"context"
	"log/slog"
)

// ForJournal has each line of loggers that New makes from now on begin with its level, as the
// journal of systemd reads it (sd-daemon(3)): journalctl --priority=warning then shows what
// fails. The journal takes the level off the line.
func (w *Writer) ForJournal() { w.journal = true }

// Say writes a line of text that is not from a logger.
func (w *Writer) Say(level slog.Level, line string) { w.add(w.mark(level), []byte(line+"\n")) }

// mark returns how a line of a level begins.
func (w *Writer) mark(level slog.Level) string {
	if !w.journal {
		return ""
	}
	return journalMarks[journalLevel(level)]
}

// journalMarks are those of debug, info, warn and error.
var journalMarks = [...]string{"<7>", "<6>", "<4>", "<3>"}

// journalLevel returns the index of a level's mark.
func journalLevel(level slog.Level) int {
	switch {
	case level < slog.LevelInfo:
		return 0
	case level < slog.LevelWarn:
		return 1
	case level < slog.LevelError:
		return 2
	}
	return 3
}

// A marked is an io.Writer of lines that begin with a mark.
type marked struct {
	w    *Writer
	mark string
}

// Write implements io.Writer.
func (m marked) Write(line []byte) (int, error) {
	m.w.add(m.mark, line)
	return len(line), nil
}

// A journalHandler is a slog.Handler with another handler for each level, each of which writes
// its own mark.
type journalHandler [len(journalMarks)]slog.Handler

func newJournalHandler(w *Writer, o Options) slog.Handler {
	var h journalHandler
	for i, mark := range journalMarks {
		h[i] = newHandler(marked{w, mark}, o)
	}
	return h
}

// Enabled implements slog.Handler.
func (h journalHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h[0].Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h journalHandler) Handle(ctx context.Context, record slog.Record) error {
	return h[journalLevel(record.Level)].Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for i := range h {
		h[i] = h[i].WithAttrs(attrs)
	}
	return h
}

// WithGroup implements slog.Handler.
func (h journalHandler) WithGroup(name string) slog.Handler {
	for i := range h {
		h[i] = h[i].WithGroup(name)
	}
	return h
}
