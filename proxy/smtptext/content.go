package smtptext

import "bytes"

// A Content finds the end of the content that follows DATA: a line of one dot.
type Content struct{ last [5]byte }

// NewContent returns one at its beginning, which is after the end of a line.
func NewContent() Content { return Content{[5]byte{3: '\r', 4: '\n'}} }

// Find returns how many bytes belong to the content, and whether it has ended.
func (c *Content) Find(p []byte) (n int, ended bool) {
	if n = c.restOfEnd(p); n == 0 {
		n = c.endIn(p)
	}
	ended = n > 0
	if !ended {
		n = len(p)
	}
	c.note(p[:n])
	return n, ended
}

// restOfEnd returns how many bytes of p are the rest of an end whose dot has been seen; 0 if
// they are none.
func (c *Content) restOfEnd(p []byte) int {
	switch {
	case len(p) > 1 && string(p[:2]) == "\r\n" && string(c.last[2:]) == "\r\n.":
		return 2
	case len(p) > 0 && p[0] == '\n' && string(c.last[1:]) == "\r\n.\r":
		return 1
	}
	return 0
}

// fewDots is how many dots are looked at, one by one, and dotEvery how far apart more of them
// have to be.
const (
	fewDots  = 8
	dotEvery = 256
)

// endIn returns how many bytes of p are there up to an end whose dot is among them; 0 if
// there is none. What is large is Base64 without dots, where only these are looked for.
func (c *Content) endIn(p []byte) int {
	for at, dots := 0, 0; ; at, dots = at+1, dots+1 {
		var next int // dot
		if dots < fewDots+at/dotEvery {
			next = bytes.IndexByte(p[at:], '.')
		} else {
			next = bytes.Index(p[at-1:], []byte("\n.\r\n"))
		}
		if next < 0 {
			return 0
		}
		at += next
		if after := p[at+1:]; len(after) > 1 && after[0] == '\r' && after[1] == '\n' && c.lineEndBefore(p[:at]) {
			return at + len(".\r\n")
		}
	}
}

// lineEndBefore reports whether CRLF ends what has been seen, and p after it.
func (c *Content) lineEndBefore(p []byte) bool {
	switch len(p) {
	case 0:
		return c.last[3] == '\r' && c.last[4] == '\n'
	case 1:
		return c.last[4] == '\r' && p[0] == '\n'
	}
	return p[len(p)-2] == '\r' && p[len(p)-1] == '\n'
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
