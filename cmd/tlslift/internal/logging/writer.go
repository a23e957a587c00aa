package logging

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// maxPending is how many bytes may wait for the reader of the log: about 5,000
	// lines, so that a line of each connection fits that is cut off at once.
	maxPending = 4 << 20
	// keptBuffer is the size up to which a buffer is kept for the next lines.
	keptBuffer = 256 << 10
	// gatherTime is how long lines are gathered that are then written at once: to wake
	// somebody for each line, and to write it, costs more than the line itself.
	gatherTime = 10 * time.Millisecond
	// closeWait is how long the end of the program waits for the reader of the log.
	closeWait = time.Second
)

// A Writer is an io.Writer that never waits for what it writes to: a goroutine of its
// own does. What does not fit into its buffer, or cannot be written, is dropped and
// counted. Each Write is of whole lines.
type Writer struct {
	out  io.Writer
	max  int
	wait time.Duration // how long lines are gathered
	wake chan struct{} // has room for one
	ends chan struct{} // closed when the writer is closed
	done chan struct{} // closed when the goroutine has ended
	cut  bool          // an error has cut the last line; for the goroutine only
	copy *Writer       // of warnings and errors; nil if there is none

	journal bool // each line begins with its level

	mu      sync.Mutex
	closed  bool
	pending []byte
	spare   []byte // an empty buffer for later
	writing int    // bytes that are being written
	dropped int64  // lines, since the start
	unsaid  int64  // those of them that no line has told of
	line    func(dropped int64) []byte
}

// NewWriter returns a writer of lines to out; Close ends it.
func NewWriter(out io.Writer) *Writer { return newWriter(out, maxPending, gatherTime) }

func newWriter(out io.Writer, limit int, wait time.Duration) *Writer {
	w := &Writer{out: out, max: limit, wait: wait, wake: make(chan struct{}, 1), ends: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w
}

// CopyWarnings has warnings and errors of loggers that New makes from now on also written to
// another writer, each as a line of text that begins with its level. Closing w does not close
// that one.
func (w *Writer) CopyWarnings(to *Writer) { w.copy = to }

// Write takes lines, or drops and counts them. It never fails.
func (w *Writer) Write(lines []byte) (int, error) {
	w.add("", lines)
	return len(lines), nil
}

// add takes lines, the first of which begins with a mark, or drops and counts them.
func (w *Writer) add(mark string, lines []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.pending)+w.writing+len(mark)+len(lines) > w.max {
		w.drop(lines)
		return
	}
	w.pending = append(append(w.pending, mark...), lines...)
	w.signal()
}

// Dropped returns how many lines were dropped since the start.
func (w *Writer) Dropped() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Close writes what is pending, and waits for that for at most a second. It reports
// whether all of it was written or dropped by then: a reader that has stalled keeps the
// goroutine until the program ends.
func (w *Writer) Close() bool {
	w.mu.Lock()
	if !w.closed {
		close(w.ends)
	}
	w.closed = true
	w.signal()
	w.mu.Unlock()
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-w.done:
		return true
	case <-timer.C:
		return false
	}
}

// describeDrops sets how the line is written that says how many were dropped.
func (w *Writer) describeDrops(line func(lines int64) []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line = line
}

// describe returns that line; empty until it is known how it is written.
func (w *Writer) describe(lines int64) []byte {
	w.mu.Lock()
	line := w.line
	w.mu.Unlock()
	if line == nil {
		return nil
	}
	return line(lines)
}

// signal wakes the goroutine. The caller holds mu.
func (w *Writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default: // it has not woken yet
	}
}

// drop counts lines that are not written. The caller holds mu.
func (w *Writer) drop(lines []byte) {
	n := int64(bytes.Count(lines, []byte{'\n'}))
	w.dropped += n
	w.unsaid += n
}

// run writes until the writer is closed and nothing is pending.
func (w *Writer) run() {
	defer close(w.done)
	for range w.wake {
		w.gather()
		for {
			lines, closed := w.take()
			if len(lines) == 0 && closed {
				return
			}
			if len(lines) == 0 {
				break
			}
			w.write(lines)
		}
	}
}

// gather waits for more lines, unless the writer is closed.
func (w *Writer) gather() {
	if w.wait == 0 {
		return
	}
	timer := time.NewTimer(w.wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.ends:
	}
	select {
	case <-w.wake: // for lines that are there by now
	default:
	}
}

// take returns what is pending, and whether the writer is closed.
func (w *Writer) take() ([]byte, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.pending
	w.writing = len(lines)
	w.pending, w.spare = w.spare[:0], nil
	return lines, w.closed
}

// write writes lines. Those that cannot be written are dropped: the reader is gone, or
// the disk is full. After the first ones that can be again, a line says how many were.
func (w *Writer) write(lines []byte) {
	var n int
	err := w.endLine()
	if err == nil {
		n, err = w.put(lines)
	}
	unsaid := w.written(lines, n, err)
	if err != nil || unsaid == 0 {
		return
	}
	line := w.describe(unsaid)
	if len(line) == 0 {
		return
	}
	if _, err := w.put(line); err == nil {
		w.said(unsaid)
	}
}

// put writes lines, and notes whether an error has cut the last one.
func (w *Writer) put(lines []byte) (int, error) {
	n, err := w.out.Write(lines)
	if n > 0 {
		w.cut = !bytes.HasSuffix(lines[:n], []byte{'\n'})
	}
	return n, err
}

// endLine ends a line that an error has cut.
func (w *Writer) endLine() error {
	if !w.cut {
		return nil
	}
	_, err := w.put([]byte{'\n'})
	return err
}

// written notes that n bytes of lines were written, and returns how many dropped lines
// are to be told of.
func (w *Writer) written(lines []byte, n int, err error) (unsaid int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.drop(lines[n:])
	}
	w.writing = 0
	if cap(lines) <= keptBuffer {
		w.spare = lines[:0]
	}
	return w.unsaid
}

// said notes that a line has told of dropped lines.
func (w *Writer) said(lines int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsaid -= lines
}
