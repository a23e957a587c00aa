package sink

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"time"
)

// errTooMuch ends a session that has sent more than it may.
var errTooMuch = errors.New("the device has sent more than a test takes")

// A wire reads what a device says, up to its limits, and answers.
type wire struct {
	conn  net.Conn
	in    *bufio.Reader
	idle  time.Duration
	bytes int64 // that were read
}

// say sends a text.
func (w *wire) say(text string) error {
	if err := w.conn.SetDeadline(time.Now().Add(w.idle)); err != nil {
		return err
	}
	_, err := io.WriteString(w.conn, text)
	return err
}

// line reads a line without its end. What is too long for one ends the session.
func (w *wire) line() ([]byte, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(w.idle)); err != nil {
		return nil, err
	}
	var all []byte
	for {
		part, err := w.in.ReadSlice('\n')
		if all = append(all, part...); len(all) > maxLine {
			return nil, errTooMuch
		}
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
	if err := w.count(len(all)); err != nil {
		return nil, err
	}
	return bytes.TrimRight(all, "\r\n"), nil
}

// count counts bytes of the session.
func (w *wire) count(n int) error {
	if w.bytes += int64(n); w.bytes > maxBytes {
		return errTooMuch
	}
	return nil
}

// skip reads so many bytes and throws them away; see, if there is one, sees them before.
func (w *wire) skip(n int64, see func([]byte)) error {
	for n > 0 {
		if err := w.conn.SetReadDeadline(time.Now().Add(w.idle)); err != nil {
			return err
		}
		if _, err := w.in.Peek(1); err != nil {
			return err
		}
		part, _ := w.in.Peek(int(min(n, int64(w.in.Buffered()))))
		if see != nil {
			see(part)
		}
		n -= int64(len(part))
		if err := w.count(len(part)); err != nil {
			return err
		}
		_, _ = w.in.Discard(len(part)) // it is there
	}
	return nil
}
