package dialogue

import "bytes"

// A bodyEnd finds the end of the content that follows DATA: a line of one dot.
type bodyEnd struct{ last [5]byte }

// newBodyEnd begins after the end of a line.
func newBodyEnd() bodyEnd { return bodyEnd{[5]byte{3: '\r', 4: '\n'}} }

// find returns how many bytes belong to the content, and whether it has ended.
func (b *bodyEnd) find(p []byte) (n int, ended bool) {
	for n < len(p) {
		line := p[n:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		n += len(line)
		b.note(line)
		if string(b.last[:]) == "\r\n.\r\n" {
			return n, true
		}
	}
	return n, false
}

func (b *bodyEnd) note(p []byte) {
	if len(p) >= len(b.last) {
		copy(b.last[:], p[len(p)-len(b.last):])
		return
	}
	copy(b.last[:], b.last[len(p):])
	copy(b.last[len(b.last)-len(p):], p)
}

// isLoose reports whether the last bytes could be the end for a server that takes LF
// for the end of a line.
func (b *bodyEnd) isLoose() bool {
	return bytes.HasSuffix(b.last[:], []byte("\n.\n")) || bytes.HasSuffix(b.last[:], []byte("\n.\r\n"))
}
