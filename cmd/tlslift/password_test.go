package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// withInput runs the program in a process of its own with a standard input.
func withInput(t *testing.T, input string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "TLSLIFT_LISTEN=")
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // the exit code says it
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func isHashOf(hash, password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(strings.TrimSuffix(hash, "\n")), []byte(password)) == nil
}

func TestPassword(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		"printer12345": "printer12345", "printer12345\n": "printer12345", "printer12345\r\n": "printer12345", "two words\n": "two words",
	} {
		got := withInput(t, input, "password")
		if got.code != exitOK || !isHashOf(got.stdout, want) || strings.Count(got.stdout, "\n") != 1 || got.stderr != "" {
			t.Errorf("%q: got %+v", input, got)
		}
	}
	long := strings.Repeat("x", 73)
	got := withInput(t, long+"\n", "password", "--argon2")
	if got.code != exitOK || !strings.HasPrefix(got.stdout, "$argon2id$v=19$") || strings.Contains(got.stdout+got.stderr, long) {
		t.Errorf("--argon2: got %+v", got)
	}
}

// Nothing of a password that is refused is printed.
func TestPasswordRefused(t *testing.T) {
	t.Parallel()
	const word = "printer12345"
	for input, want := range map[string]string{
		"": "the password is empty", "\n": "the password is empty", "\r\n": "the password is empty",
		word + strings.Repeat("x", 61): "the password has 73 bytes, and bcrypt takes 72; use a shorter one, or --argon2",
		word + "\n" + word + "\n":      "the password has more than one line, or a control character, which devices cannot send",
		word + "\x00":                  "the password has more than one line, or a control character, which devices cannot send",
		word + "\xff":                  "the password is not UTF-8 text",
	} {
		got := withInput(t, input, "password")
		if got.code != exitUsage || got.stdout != "" || got.stderr != "tlslift: "+want+"\n" {
			t.Errorf("%q: got %+v, want %q", input, got, want)
		}
	}
	if got := withInput(t, word+strings.Repeat("x", 5000), "password", "--argon2"); got.code != exitUsage ||
		!strings.Contains(got.stderr, "use a shorter one") || strings.Contains(got.stderr, word) {
		t.Errorf("got %+v", got)
	}
	if got := withInput(t, "", "password", word); got.code != exitUsage || got.stdout != "" {
		t.Errorf("as an argument: got %+v", got)
	}
}
