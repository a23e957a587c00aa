package printing

import (
	"errors"
	"strings"
	"testing"
)

// The head stands before the first line only, also one that has more bytes than columns.
func TestRow(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	Row(&b, "\x1b[32mok\x1b[0m  name ", 9, "one two three", 7)
	Row(&b, "  ", 2, "four", 7)
	if want := "\x1b[32mok\x1b[0m  name one two\n         three\n  four\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("the reader has gone") }

func TestJSON(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := JSON(&b, map[string]int{"a": 1}); err != nil || b.String() != "{\n  \"a\": 1\n}\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
	if JSON(broken{}, 1) == nil || JSON(&b, func() {}) == nil {
		t.Error("no error of a writer that fails, or of a value that is none")
	}
}
