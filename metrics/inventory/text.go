package inventory

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxText   = 255
	maxDetail = 1024 // an error may name many cipher suites
)

// clean returns a text that a client may have chosen so that it can be kept and
// shown.
func clean(s string) string { return cut(s, maxText) }

// cut keeps at most max bytes, and puts U+FFFD in the place of what is not
// UTF-8, of control characters, and of those that change the direction of the
// text around them.
func cut(s string, max int) string {
	if len(s) > max {
		s = strings.Clone(s[:max]) // which does not keep the rest in memory
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return utf8.RuneError
		}
		return r
	}, s)
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max]
}
