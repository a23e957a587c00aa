package mailbox

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A popTransaction is what a session does with the maildrop that it has opened:
// the transaction state of RFC 1939, section 5.
type popTransaction struct {
	popReplies

	messages []*popMessage // as they were at PASS
	deleted  []*popMessage // those of them that QUIT is to remove
}

func (t *popTransaction) commands() map[string]func(string) {
	return map[string]func(string){
		"NOOP": func(string) { t.ok("") },
		"STAT": t.stat,
		"LIST": func(number string) { t.scan(number, func(m *popMessage) int { return len(m.data) }) },
		"UIDL": func(number string) { t.scan(number, func(m *popMessage) int { return m.uid }) },
		"RETR": t.retr,
		"TOP":  t.top,
		"DELE": t.dele,
		"RSET": func(string) { t.deleted = nil; t.ok("") },
	}
}

func (t *popTransaction) stat(string) {
	count, size := 0, 0
	for _, m := range t.messages {
		if t.has(m) {
			count++
			size += len(m.data)
		}
	}
	t.ok(fmt.Sprintf("%d %d", count, size))
}

func (t *popTransaction) has(m *popMessage) bool { return !slices.Contains(t.deleted, m) }

// scan lists one message, or all of them when there is no number.
func (t *popTransaction) scan(number string, of func(*popMessage) int) {
	if number != "" {
		if m := t.find(number); m != nil {
			t.ok(fmt.Sprintf("%s %d", number, of(m)))
		}
		return
	}
	var all bytes.Buffer
	for i, m := range t.messages {
		if t.has(m) {
			fmt.Fprintf(&all, "%d %d\r\n", i+1, of(m))
		}
	}
	t.lines(all.Bytes())
}

// find returns a message by its number. When there is none, it is nil and the
// client gets an error.
func (t *popTransaction) find(number string) *popMessage {
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n < 1 || n > uint64(len(t.messages)) || !t.has(t.messages[n-1]) {
		t.err("The message number is not valid.")
		return nil
	}
	return t.messages[n-1]
}

func (t *popTransaction) retr(number string) {
	if m := t.find(number); m != nil {
		t.lines(m.data)
	}
}

func (t *popTransaction) top(arguments string) {
	number, lines, _ := strings.Cut(arguments, " ")
	n, err := strconv.ParseUint(lines, 10, 31)
	if err != nil {
		t.err("The number of lines is not valid.")
		return
	}
	if m := t.find(number); m != nil {
		t.lines(head(m.data, int(n)))
	}
}

// head returns the header of a message, and n lines after it.
func head(message []byte, n int) []byte {
	_, body, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	for range n {
		_, rest, more := bytes.Cut(body, []byte("\r\n"))
		body = rest
		if !more {
			break
		}
	}
	return message[:len(message)-len(body)]
}

func (t *popTransaction) dele(number string) {
	if m := t.find(number); m != nil {
		t.deleted = append(t.deleted, m)
		t.ok("")
	}
}
