package dialogue

import "bytes"

// A line collects the beginning of a line, and no more of it.
type line struct {
	head []byte
	// keep reports whether one more byte is held after head.
	keep func(head []byte) bool
}

// take takes bytes up to the end of the line and returns what follows; whole means
// that the line has ended.
func (l *line) take(p []byte) (rest []byte, whole bool) {
	piece, rest, whole := bytes.Cut(p, []byte("\n"))
	for _, b := range piece {
		if !l.keep(l.head) {
			break
		}
		l.head = append(l.head, b)
	}
	return rest, whole
}

// isOpen reports whether the line has begun and not ended, as far as it is held.
func (l *line) isOpen() bool { return len(l.head) > 0 }

// upTo holds so many bytes.
func upTo(limit int) func([]byte) bool { return func(head []byte) bool { return len(head) < limit } }

// end returns what is held of the line that has ended, and begins the next. It leaves
// nothing behind: a client that speaks another protocol may say a secret in the place of
// a command.
func (l *line) end() string {
	text := string(bytes.TrimRight(l.head, "\r"))
	clear(l.head)
	l.head = l.head[:0]
	return text
}

// maxPending bounds the commands of a client that have no reply yet; nobody sends so
// many at once.
const maxPending = 2048

// A queue holds the commands that have no reply yet, first come, first answered.
type queue[T comparable] struct{ items []T }

// push adds a command; false means that there are too many.
func (q *queue[T]) push(item T) bool {
	if len(q.items) >= maxPending {
		return false
	}
	q.items = append(q.items, item)
	return true
}

// pop removes the first command.
func (q *queue[T]) pop() T {
	first := q.items[0]
	q.items = q.items[:copy(q.items, q.items[1:])]
	return first
}
