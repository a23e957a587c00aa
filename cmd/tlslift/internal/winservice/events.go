package winservice

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"
)

const (
	// maxEvents is how many events may come at once, and eventPause the time after which
	// there may be one more: the log of Windows is that of all programs, and has an end.
	maxEvents  = 50
	eventPause = 10 * time.Second
	// maxEvent is how long the text of an event may be; Windows takes 31,839 characters.
	maxEvent = 8 << 10
)

// The numbers of events, which the table of events in the documents explains.
const (
	eventWarning = 1
	eventError   = 2
)

// An eventLog is the log of Windows.
type eventLog interface {
	Warning(id uint32, text string) error
	Error(id uint32, text string) error
}

// An eventWriter is an io.Writer of lines that begin with their level, as package logging
// writes them. Each becomes an event, unless there are too many: they are in the log file.
type eventWriter struct {
	log   eventLog
	limit *rate.Limiter
	left  int // since the last event
}

func newEventWriter(log eventLog) *eventWriter {
	return &eventWriter{log: log, limit: rate.NewLimiter(rate.Every(eventPause), maxEvents)}
}

// Write makes events of lines. Its error is that of the first one that cannot be written.
func (w *eventWriter) Write(lines []byte) (int, error) {
	written := 0
	for line := range bytes.Lines(lines) {
		if err := w.event(strings.TrimSuffix(string(line), "\n")); err != nil {
			return written, err
		}
		written += len(line)
	}
	return written, nil
}

func (w *eventWriter) event(line string) error {
	if line == "" {
		return nil
	}
	if !w.limit.Allow() {
		w.left++
		return nil
	}
	isError := strings.HasPrefix(line, "level=ERROR")
	if len(line) > maxEvent {
		line = strings.ToValidUTF8(line[:maxEvent], "") + "…"
	}
	if w.left > 0 {
		line += fmt.Sprintf("\nBefore this one, %d more warnings and errors came so fast that they are in the log file only.", w.left)
	}
	line = noNUL(line)
	var err error
	if isError {
		err = w.log.Error(eventError, line)
	} else {
		err = w.log.Warning(eventWarning, line)
	}
	if err == nil {
		w.left = 0
	}
	return err
}

// noNUL returns text in which Windows sees no end before its end.
func noNUL(text string) string {
	return strings.ReplaceAll(text, "\x00", string(utf8.RuneError))
}
