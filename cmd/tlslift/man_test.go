package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// Each command has a manual page, and a program for manual pages can show it.
func TestManPages(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "mandoc")
	dir := t.TempDir()
	if got := runWith(t, nil, "man", dir); got.code != exitOK {
		t.Fatalf("got %+v", got)
	}
	for page, texts := range map[string][]string{
		"tlslift.1":                {"TLS 1.0 or 1.1", "tlslift-clients(1)"},
		"tlslift-clients.1":        {"--failing", "tlslift clients forget 192.168.20.31", "--env-file FILE"},
		"tlslift-clients-forget.1": {"tlslift clients forget"},
		"tlslift-check-mailbox.1":  {"--protocol PROTOCOL"},
		"tlslift.env.5":            {"#TLSLIFT_MAX_CONNECTIONS=10000", "settings of tlslift"},
	} {
		out, err := exec.Command("mandoc", "-Tascii", "-Owidth=200", filepath.Join(dir, page)).CombinedOutput()
		shown := plainText(string(out))
		if err != nil {
			t.Errorf("%s: %v\n%s", page, err, out)
		}
		for _, text := range texts {
			if !strings.Contains(shown, text) {
				t.Errorf("%s does not have %q:\n%s", page, text, shown)
			}
		}
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	args := append([]string{"-Tlint", "-Wwarning"}, pages...)
	out, _ := exec.Command("mandoc", args...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "missing date") { // the same commit makes the same page
			t.Error(strings.TrimSpace(line))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "tlslift-man.1")); err == nil {
		t.Error("a command that is not for users has a page")
	}
}

// plainText removes how a terminal is told of bold letters.
func plainText(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r != '\b' && !strings.HasPrefix(s[i+len(string(r)):], "\b") {
			b.WriteRune(r)
		}
	}
	return b.String()
}
