package password

import (
	"strings"
	"testing"
)

func TestHints(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]string{
		strings.Repeat("x", 20): "",
		strings.Repeat("x", 21): "the password has 21 characters; Epson takes 20, many others no more",
		strings.Repeat("x", 31): "the password has 31 characters; Epson takes 20, many others no more",
		strings.Repeat("x", 32): "the password has 32 characters; Epson takes 20, Xerox 31, many others no more",
		"pässword":              "the password has characters beyond ASCII, which devices encode in different ways",
		"printer ":              "the password begins or ends with a space, which some devices remove",
	} {
		if got := strings.Join(hintsFor(password), "\n"); got != want {
			t.Errorf("%q: %q, want %q", password, got, want)
		}
	}
}
