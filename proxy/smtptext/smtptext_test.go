package smtptext

import (
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// The end of a mail is found however its content is cut, and at CRLF only.
func TestContent(t *testing.T) {
	t.Parallel()
	for text, end := range map[string]int{
		".\r\nrest": 3, "a\r\n.\r\nQUIT\r\n": 6, "..\r\n.\r\n": 7, "a\n.\nb\r\n.\r\n": 10, "a\r\n.b\r\n": -1, "a\n.\n": -1, "": -1,
	} {
		for size := 1; size <= len(text); size++ {
			c, at, found := NewContent(), 0, false
			for at < len(text) && !found {
				n, ended := c.Find([]byte(text[at:min(at+size, len(text))]))
				at, found = at+n, ended
			}
			if want := end >= 0; found != want || found && at != end {
				t.Errorf("%q in pieces of %d: %d, %t", text, size, at, found)
			}
			if !found && c.IsLoose() != (text == "a\n.\n") {
				t.Errorf("%q: loose is %t", text, c.IsLoose())
			}
		}
	}
}

// The same address has the same hash, whatever is around it.
func TestAddress(t *testing.T) {
	t.Parallel()
	var a Address
	sum := func(line string) uint64 {
		for i := range len(line) {
			a.Note([]byte(line[i : i+1]))
		}
		return a.End()
	}
	want := sum("MAIL FROM:<a@b.c>\r\n")
	for _, same := range []string{"mail from: <A@B.c> SIZE=9\r\n", "RCPT TO:a@b.c\r\n"} {
		if sum(same) != want {
			t.Errorf("%q has another hash", same)
		}
	}
	if sum("MAIL FROM:<a@b.d>\r\n") == want || sum("") == 0 {
		t.Error("the hash of another address is the same")
	}
}

// The codes of a line, and no others.
func TestCodes(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2]string{
		"250-x": {"250", ""}, "535 5.7.139 no": {"535", "5.7.139"}, "100 no": {}, "": {}, "250": {"250", ""}, "250 2.1": {"250", ""},
	} {
		if code, enhanced := Codes(line); code != want[0] || enhanced != want[1] {
			t.Errorf("%q: %q, %q", line, code, enhanced)
		}
	}
	if got := Reason("550", "5.7.606", "x"); got != record.ReasonSMTPAddressBlocked {
		t.Errorf("got %s", got)
	}
}

// Whatever the pieces, the end is the same.
func FuzzContent(f *testing.F) {
	f.Add([]byte("a\r\n.\r\nb"), 2)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		if size < 1 {
			return
		}
		whole := NewContent()
		want, _ := whole.Find(text)
		c, at := NewContent(), 0
		for at < len(text) {
			n, ended := c.Find(text[at:min(at+size, len(text))])
			if at += n; ended {
				break
			}
		}
		if at != want {
			t.Errorf("%q in pieces of %d ends at %d, whole at %d", text, size, at, want)
		}
	})
}

// The sender of a mail is what every server reads, or it is not told.
func FuzzReversePath(f *testing.F) {
	for _, args := range []string{
		"FROM:<a@b> SIZE=9", "from: a@b", "FROM:<>", `FROM:<"a@b>"@c>`, "FROM:a@b <c@d>", "FROM:<a@b", "FROM:<a@b>c", "FROM:<@c:a@b>",
	} {
		f.Add(args)
	}
	f.Fuzz(func(t *testing.T, args string) {
		got := ReversePath(args)
		if got != SenderUnknown && (strings.ContainsAny(got, "<>\"\\ \t\r\n\x00") || !strings.Contains(args, got)) {
			t.Errorf("%q: %q", args, got)
		}
	})
}
