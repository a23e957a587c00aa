package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file of ticket keys that replicas share, and that is of no use, ends the start;
// without the setting, the keys are in the state directory.
func TestTicketKeysFile(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "no key\n")
	got := runWith(t, map[string]string{"TLSLIFT_TICKET_KEYS_FILE": file, "TLSLIFT_STATE_DIR": t.TempDir()}, "serve")
	if want := "TLSLIFT_TICKET_KEYS_FILE: " + file + ": line 1 "; got.code != exitFailure || !strings.Contains(got.stderr, want) {
		t.Errorf("got %+v, want %q", got, want)
	}
	state := t.TempDir()
	c := newChild(t, "TLSLIFT_STATE_DIR="+state)
	c.start()
	c.started()
	text, err := os.ReadFile(filepath.Join(state, "ticket.keys"))
	if err != nil || strings.Count(string(text), "\n") != 2 {
		t.Errorf("the file has %d lines, %v", strings.Count(string(text), "\n"), err)
	}
}
