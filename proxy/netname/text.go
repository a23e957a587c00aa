package netname

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The rule for text that somebody else has chosen. Letters, numbers, marks,
// punctuation, symbols and the ASCII space are kept (unicode.IsPrint). Everything
// else becomes U+FFFD: control characters, which a terminal obeys; line ends,
// which begin a new line of a log; characters that change the direction of the
// text around them or have no width (Cf); other spaces; and bytes that are not
// UTF-8. %q escapes exactly what Text replaces.

// ellipsis stands for what is left out.
const ellipsis = "…"

// Text returns s as it may be shown in one line anywhere, a terminal included,
// and as it may be stored. It has at most limit bytes. Text that is safe and short
// enough is returned without an allocation.
func Text(s string, limit int) string {
	// U+FFFD is at least three quarters as long as what it replaces, so that more
	// than limit bytes are left of this if anything was cut off.
	s = s[:min(len(s), 4*max(limit, 0))]
	return Cut(strings.Map(safe, s), limit)
}

// Lines returns a text of several lines as it may be written to a terminal. Its
// line ends and tabs are kept, and nothing is left out.
func Lines(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return r
		}
		return safe(r)
	}, s)
}

// safe returns r if it may be shown, and U+FFFD otherwise.
func safe(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return utf8.RuneError
}

// Cut returns at most limit bytes of s: it cuts between two characters, and puts
// an ellipsis in the place of what is left out; a limit below its three bytes
// leaves nothing. Cut alone is for text that is shown with %q.
func Cut(s string, limit int) string {
	room := limit - len(ellipsis)
	switch {
	case len(s) <= limit:
		return s
	case room < 0:
		return ""
	}
	end := room
	// In what is not UTF-8 there may be no beginning of a character.
	for end > 0 && room-end < utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// WithoutUserinfo returns s with an ellipsis in the place of what stands before
// the last @, which may be a password.
func WithoutUserinfo(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return ellipsis + s[i:]
	}
	return s
}
