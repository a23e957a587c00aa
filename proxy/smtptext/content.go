package smtptext

import "bytes"

// A Content finds the end of the content that follows DATA: a line of one dot.
type Content struct{ last [5]byte }

// NewContent returns one at its beginning, which is after the end of a line.
func NewContent() Content { return Content{[5]byte{3: '\r', 4: '\n'}} }

// Find returns how many bytes belong to the content, and whether it has ended.
func (c *Content) Find(p []byte) (n int, ended bool) {
	for n < len(p) {
		if n += c.line(p[n:]); c.hasEnded() {
			return n, true
		}
	}
	return n, false
}

// FindLoose returns how many bytes belong to the content up to its end, or to what could
// be its end for a server that takes LF for the end of a line.
func (c *Content) FindLoose(p []byte) (n int) {
	for n < len(p) {
		if n += c.line(p[n:]); c.hasEnded() || c.IsLoose() {
			return n
		}
	}
	return n
}

func (c *Content) hasEnded() bool { return string(c.last[:]) == "\r\n.\r\n" }

// line takes in the first line of p, and returns its size.
func (c *Content) line(p []byte) int {
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		p = p[:i+1]
	}
	c.note(p)
	return len(p)
}

func (c *Content) note(p []byte) {
	if len(p) >= len(c.last) {
		copy(c.last[:], p[len(p)-len(c.last):])
		return
	}
	copy(c.last[:], c.last[len(p):])
	copy(c.last[len(c.last)-len(p):], p)
}

// IsLoose reports whether the last bytes could be the end for a server that takes LF
// for the end of a line.
func (c *Content) IsLoose() bool {
	return bytes.HasSuffix(c.last[:], []byte("\n.\n")) || bytes.HasSuffix(c.last[:], []byte("\n.\r\n"))
}
