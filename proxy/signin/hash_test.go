package signin

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

func mustHash(t *testing.T, text string) hash {
	t.Helper()
	h, err := parseHash(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHash(t *testing.T) {
	t.Parallel()
	for _, kind := range []HashKind{Bcrypt, Argon2id} {
		const password = "pässwörd"
		text, err := Hash(password, kind)
		if err != nil {
			t.Fatal(err)
		}
		if h := mustHash(t, text); !h.matches(password) || h.matches(password[1:]) {
			t.Errorf("%s does not tell %q from others", text, password)
		}
	}
	long := strings.Repeat("x", MaxBcrypt+1)
	if _, err := Hash(long, Bcrypt); !errors.Is(err, ErrTooLong) {
		t.Errorf("bcrypt of %d bytes: %v", len(long), err)
	}
	// bcrypt looks at 72 bytes only: the rest must not be anything.
	if text, err := Hash(long[1:], Bcrypt); err != nil || mustHash(t, text).matches(long) {
		t.Errorf("a password of 73 bytes is taken for its first 72: %v", err)
	}
	if text, err := Hash(strings.Repeat(long, 7), Argon2id); err != nil || !mustHash(t, text).matches(strings.Repeat(long, 7)) {
		t.Errorf("argon2id of %d bytes: %v", 7*len(long), err)
	}
	if _, err := Hash(strings.Repeat("x", maxPassword+1), Argon2id); !errors.Is(err, ErrTooLong) {
		t.Errorf("argon2id of %d bytes: %v", maxPassword+1, err)
	}
}

// Hashes that other programs have made, in all forms.
func TestHashesOfOthers(t *testing.T) {
	t.Parallel()
	const ofC = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	for text, password := range map[string]string{
		"$2a$05$" + ofC: "U*U", "$2b$05$" + ofC: "U*U", "$2y$05$" + ofC: "U*U",
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc": "password",
	} {
		if !mustHash(t, text).matches(password) {
			t.Errorf("%s does not match", text)
		}
	}
}

// The C library takes our hashes, and we take its.
func TestHashesOfTheCLibrary(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "perl")
	const password = "printer12345"
	crypt := func(salt string) string {
		out, err := exec.CommandContext(t.Context(), "perl", "-e", "print crypt($ARGV[0], $ARGV[1]) // ''", password, salt).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	theirs := crypt("$2b$05$abcdefghijklmnopqrstuu")
	if theirs == "" || theirs[0] == '*' {
		t.Skip("this C library has no bcrypt")
	}
	if !mustHash(t, theirs).matches(password) {
		t.Errorf("%s does not match", theirs)
	}
	if ours, err := Hash(password, Bcrypt); err != nil || crypt(ours) != ours {
		t.Errorf("%s is %s there", ours, crypt(ours))
	}
}

func TestNoHashes(t *testing.T) {
	t.Parallel()
	const salted = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, text := range []string{
		"", "secret", "$2b$10$short", "$2x$10$" + strings.Repeat("a", 53), "$2b$03$" + strings.Repeat("a", 53),
		"$2b$99$" + strings.Repeat("a", 53),
		"$2b$10$" + strings.Repeat("a", 54), "$2b$10$" + strings.Repeat("!", 53), "$argon2i$v=19$m=64,t=1,p=1$" + salted,
		"$argon2id$v=16$m=64,t=1,p=1$" + salted, "$argon2id$v=19$m=0,t=1,p=1$" + salted, "$argon2id$v=19$m=64,t=99,p=1$" + salted,
		"$argon2id$v=19$m=64,t=1,p=256$" + salted, "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$" + strings.Repeat("a", 45),
		"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$",
	} {
		if _, err := parseHash(text); err == nil {
			t.Errorf("%q is taken for a hash", text)
		}
	}
}

// What is computed for an unknown login costs the same, and nobody has its password.
func TestLikeness(t *testing.T) {
	t.Parallel()
	for _, text := range []string{hashOf(t, "x"), "$2y$07$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"} {
		h := mustHash(t, text)
		like, err := h.likeness()
		if err != nil || !like.sameCost(h) || like.identity() == h.identity() || like.matches("x") {
			t.Errorf("%s: %v", text, err)
		}
		if h.kind == Bcrypt {
			mustHash(t, like.text.Reveal())
		}
	}
}
