package smtptext

import "bytes"

// A Content finds the end of the content that follows DATA: a line of one dot.
type Content struct{ last [5]byte }

// NewContent returns one at its beginning, which is after the end of a line.
func NewContent() Content { return Content{[5]byte{3: '\r', 4: '\n'}} }

// Find returns how many bytes belong to the content, and whether it has ended.
func (c *Content) Find(p []byte) (n int, ended bool) {
	for n < len(p) {
		line := p[n:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		n += len(line)
		c.note(line)
		if string(c.last[:]) == "\r\n.\r\n" {
			return n, true
		}
	}
	return n, false
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
