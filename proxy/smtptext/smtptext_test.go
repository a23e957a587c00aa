package smtptext

import (
	"regexp"
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

// endOf is where the content ends, by the words of RFC 5321 section 4.1.1.4; with loose,
// where it could end for a server that takes LF for the end of a line.
func endOf(text []byte, loose bool) int {
	end := regexp.MustCompile(`\r\n\.\r\n`)
	if loose {
		end = regexp.MustCompile(`\n\.\r?\n`)
	}
	if at := end.FindIndex(append([]byte("\r\n"), text...)); at != nil {
		return at[1] - len("\r\n")
	}
	return len(text)
}

// inPieces is where it ends when it is found in pieces of so many bytes.
func inPieces(text []byte, size int, loose bool) (at int) {
	c := NewContent()
	for at < len(text) {
		piece := text[at:min(at+size, len(text))]
		n, ended := c.find(piece, loose)
		if at += n; ended {
			break
		}
	}
	return at
}

// The end of all short contents is found, in whatever pieces.
func TestEndOfContent(t *testing.T) {
	t.Parallel()
	const letters, longest = "\r\n.a", 6
	check := func(text []byte, size int) {
		t.Helper()
		for _, loose := range []bool{false, true} {
			if got, want := inPieces(text, size, loose), endOf(text, loose); got != want {
				t.Fatalf("%q in pieces of %d ends at %d, want %d", text, size, got, want)
			}
		}
	}
	for n := range 1 << (2 * longest) {
		text := make([]byte, longest)
		for i := range text {
			text[i] = letters[n>>(2*i)&3]
		}
		for size := 1; size <= longest; size++ {
			check(text, size)
		}
		check(append([]byte(strings.Repeat(".", 2*fewDots)), text...), 100)
	}
}

// Whatever the pieces, the end is the same.
func FuzzContent(f *testing.F) {
	f.Add([]byte("a\r\n.\r\nb"), 2, false)
	f.Add([]byte(".\r\n"), 1, true)
	f.Add([]byte("a\n.\nb"), 1, true)
	f.Add([]byte(strings.Repeat("....\r\n", 10)+".\r\nc"), 1000, false)
	f.Fuzz(func(t *testing.T, text []byte, size int, loose bool) {
		if size < 1 {
			return
		}
		if got, want := inPieces(text, size, loose), endOf(text, loose); got != want {
			t.Errorf("%q in pieces of %d ends at %d, want %d", text, size, got, want)
		}
	})
}

// FuzzCodes compares with regular expressions, which say the same in fewer words.
func FuzzCodes(f *testing.F) {
	replyCode := regexp.MustCompile(`^[2-5][0-9]{2}`)
	enhancedCode := regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}\b`)
	for _, line := range []string{
		"250 2.1.0 ok", "550-5.7.139", "550 5.7.1390", "550 5.7.13x", "550 5.7._", "550 5..1", "550 5.1234.1", "550 3.1.1", "550 5.1.1\xff",
		"199 2.1.1", "650 5.1.1", "25", "250", "2500", "550 5.7.", "550 5.7.1.2", "5505.7.1",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		code, enhanced := Codes(line)
		if want := replyCode.FindString(line); code != want {
			t.Errorf("%q: the code is %q, want %q", line, code, want)
		}
		want := ""
		if code != "" {
			want = enhancedCode.FindString(line[min(4, len(line)):])
		}
		if enhanced != want {
			t.Errorf("%q: the enhanced code is %q, want %q", line, enhanced, want)
		}
	})
}

func BenchmarkContent(b *testing.B) {
	for name, line := range map[string]string{
		"base64": strings.Repeat("QUJD", 19) + "\r\n", "text": strings.Repeat("A sentence, of words. ", 3) + "\r\n",
		"dots": strings.Repeat(".", 76) + "\r\n", "empty lines": "\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			p := []byte(strings.Repeat(line, 16<<10/len(line)))
			b.SetBytes(int64(len(p)))
			c := NewContent()
			for b.Loop() {
				c.Find(p)
			}
		})
	}
}

func BenchmarkCodes(b *testing.B) {
	for b.Loop() {
		Codes("535 5.7.139 Authentication unsuccessful")
	}
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
