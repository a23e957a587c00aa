package netname

import (
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 10, ""},
		{"mail.example", 12, "mail.example"},
		{"mail.example", 11, "mail.exa…"},
		{"drucker für müller", 100, "drucker für müller"},
		{"日本語", 9, "日本語"},
		{"日本語", 8, "日…"}, // not within a character
		{"a\r\nb\tc\x00\x1b[31m\x7f", 100, "a��b�c��[31m�"},
		{"a\u0085b\u2028c\u2029d", 100, "a�b�c�d"},                      // line ends beyond ASCII
		{"\u202egnp.exe \u2066x\u2069 \u200fy", 100, "�gnp.exe �x� �y"}, // direction
		{"a\u200bb\u00adc\ufeffd", 100, "a�b�c�d"},                      // no width
		{"a\u00a0b\u3000c", 100, "a�b�c"},                               // spaces
		{"\ue000\U000f0000\U0010ffff", 100, "���"},                      // private use, no character
		{"a\xffb\xc3", 100, "a�b�"},                                     // no UTF-8
		{"\xed\xa0\x80", 100, "���"},                                    // a surrogate
		{strings.Repeat("\x1b", 100), 9, "��…"},
		{strings.Repeat("\U0010ffff", 100), 9, "��…"},
		{"abc", 2, ""},
		{"abc", 0, ""},
		{"abc", -1, ""},
	} {
		if got := Text(c.in, c.limit); got != c.want {
			t.Errorf("Text(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	if got := Lines("a\tb\r\n\x1b[2Jc\u202ed\xff\n"); got != "a\tb\r\n�[2Jc�d�\n" {
		t.Errorf("got %q", got)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"abcdef":                       "abcdef",
		"abcdefg":                      "abc…",
		"ab日本":                         "ab…",
		"abc日本":                        "abc…",
		"a\nbcdef":                     "a\nb…", // %q escapes it
		"\x80\x80\x80\x80\x80\x80\x80": "…",
	} {
		if got := Cut(in, 6); got != want {
			t.Errorf("Cut(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Cut(strings.Repeat("\x80", 1000), 100); len(got) < 90 {
		t.Errorf("only %d bytes are left", len(got))
	}
}

func TestWithoutUserinfo(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"mail.example:443":                    "mail.example:443",
		"user:hunter2@mail.example:443":       "…@mail.example:443",
		"http://user:hunt@er2@mail.example:1": "…@mail.example:1",
		"user:hunter2@":                       "…@",
	} {
		if got := WithoutUserinfo(in); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}

func TestTextDoesNotAllocate(t *testing.T) {
	for _, s := range []string{"outlook.office365.com", "drucker für müller"} {
		if n := testing.AllocsPerRun(100, func() { _ = Text(s, 100) }); n != 0 {
			t.Errorf("%s: %v allocations", s, n)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{
		"", "printer", "a\x1b[31mb", "\u202e\u2066\u200f", "\xff\xfe", "日本語", "\x80\x80\x80\x80", "\U0010ffff\U0010ffff", "a\r\n",
		"evil\x1b[31m\u202e\u009b2J\x07\nnext",
	} {
		f.Add(s, 20)
		f.Add(s, 4)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit %= 1000
		got := Text(s, limit)
		if len(got) > max(0, limit) || !utf8.ValidString(got) {
			t.Fatalf("%q became %q", s, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool {
			return !unicode.IsPrint(r) || unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
		}) {
			t.Fatalf("%q became %q", s, got)
		}
		if Text(got, limit) != got {
			t.Fatalf("%q became %q, and then %q", s, got, Text(got, limit))
		}
		// %q escapes what Text replaces, and nothing else.
		if whole := Text(s, 4*len(s)); (whole == s) != (strconv.Quote(s) == `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)+`"`) {
			t.Fatalf("%q became %q", s, whole)
		}
		lines := Lines(s)
		if strings.ContainsFunc(lines, func(r rune) bool { return !unicode.IsPrint(r) && !strings.ContainsRune("\r\n\t", r) }) {
			t.Fatalf("%q became the lines %q", s, lines)
		}
		cut := Cut(s, limit)
		if kept := strings.TrimSuffix(cut, ellipsis); len(cut) > max(0, limit) || cut != s && !strings.HasPrefix(s, kept) {
			t.Fatalf("%q was cut to %q", s, cut)
		}
	})
}
