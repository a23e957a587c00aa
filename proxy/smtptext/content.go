package smtptext

import "bytes"

// A Content finds the end of the content that follows DATA: a line of one dot.
type Content struct{ last [5]byte }

// NewContent returns one at its beginning, which is after the end of a line.
func NewContent() Content { return Content{[5]byte{3: '\r', 4: '\n'}} }

// Find returns how many bytes belong to the content, and whether it has ended.
func (c *Content) Find(p []byte) (n int, ended bool) { return c.find(p, false) }

// FindLoose returns how many bytes belong to the content up to its end, or to what could
// be its end for a server that takes LF for the end of a line.
func (c *Content) FindLoose(p []byte) (n int) {
	n, _ = c.find(p, true)
	return n
}

// IsLoose reports whether the last bytes could be the end for a server that takes LF
// for the end of a line.
func (c *Content) IsLoose() bool {
	return bytes.HasSuffix(c.last[:], []byte("\n.\n")) || bytes.HasSuffix(c.last[:], []byte("\n.\r\n"))
}

// find is Find, and FindLoose with loose.
func (c *Content) find(p []byte, loose bool) (n int, ended bool) {
	if n = c.restOfEnd(p, loose); n == 0 {
		n = c.endIn(p, loose)
	}
	if ended = n > 0; !ended {
		n = len(p)
	}
	c.note(p[:n])
	return n, ended
}

// restOfEnd returns how many bytes of p are the rest of an end whose dot has been seen; 0 if
// they are none.
func (c *Content) restOfEnd(p []byte, loose bool) int {
	seen := c.last[:]
	switch begun := len(seen) - 1; {
	case seen[begun] == '.' && endsLine(seen[:begun], loose):
		return lineEnd(p, loose)
	case seen[begun] == '\r' && seen[begun-1] == '.' && endsLine(seen[:begun-1], loose) && len(p) > 0 && p[0] == '\n':
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
func (c *Content) endIn(p []byte, loose bool) int {
	for at, dots := 0, 0; ; at, dots = at+1, dots+1 {
		var next int // dot
		if dots < fewDots+at/dotEvery {
			next = bytes.IndexByte(p[at:], '.')
		} else {
			next = bytes.Index(p[at-1:], []byte("\n."))
		}
		if next < 0 {
			return 0
		}
		at += next
		before := p[:at]
		if at < len("\r\n") {
			before = append(c.last[3:5:5], before...)
		}
		if !endsLine(before, loose) {
			continue
		}
		if n := lineEnd(p[at+1:], loose); n > 0 {
			return at + 1 + n
		}
	}
}

// endsLine reports whether p, of at least two bytes, ends a line.
func endsLine(p []byte, loose bool) bool {
	return p[len(p)-1] == '\n' && (loose || p[len(p)-2] == '\r')
}

// lineEnd returns how long the end of a line is with which p begins; 0 if it begins with none.
func lineEnd(p []byte, loose bool) int {
	switch {
	case len(p) > 1 && p[0] == '\r' && p[1] == '\n':
		return 2
	case loose && len(p) > 0 && p[0] == '\n':
		return 1
	}
	return 0
}

// note keeps the last bytes.
func (c *Content) note(p []byte) {
	if len(p) >= len(c.last) {
		copy(c.last[:], p[len(p)-len(c.last):])
		return
	}
	copy(c.last[:], c.last[len(p):])
	copy(c.last[len(c.last)-len(p):], p)
}
