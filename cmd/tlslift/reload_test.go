package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A mistake in the clients file is wrong usage; a missing file may come later.
func TestClientsFileExitCodes(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "clients:\n- name: a\n  adress: 192.0.2.1\n")
	got := runWith(t, map[string]string{"TLSLIFT_CLIENTS_FILE": file}, "config")
	if want := "TLSLIFT_CLIENTS_FILE: " + file + ": line 3, column 3: "; got.code != exitUsage || !strings.Contains(got.stderr, want) {
		t.Errorf("got %+v, want %q", got, want)
	}
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	got = runWith(t, map[string]string{"TLSLIFT_CLIENTS_FILE": missing, "TLSLIFT_STATE_DIR": t.TempDir()}, "serve")
	if got.code != exitFailure || !strings.Contains(got.stderr, "TLSLIFT_CLIENTS_FILE: cannot read "+missing) {
		t.Errorf("a missing file: exit code %d, %s", got.code, got.stderr)
	}
}

// SIGHUP reads the file again; a mistake in it changes nothing, and ends
// nothing.
func TestClientsFileIsReadAgain(t *testing.T) {
	t.Parallel()
	needSignals(t)
	file := writeFile(t, "clients:\n- {name: one, address: 192.0.2.1}\n")
	c := newChild(t, "TLSLIFT_CLIENTS_FILE="+file)
	c.start()
	c.started()
	c.record("started")
	change := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.signal(syscall.SIGHUP)
	}
	change("clients:\n- {name: one, address: 192.0.2.1}\n- {name: two, address: 192.0.2.2}\n")
	if got := c.record("read the clients file again")["clients"]; got != 2.0 {
		t.Errorf("got %v clients, want 2", got)
	}
	change("clients: [\n")
	if got, _ := c.record("reading the clients file again")["error"].(string); !strings.Contains(got, "line ") {
		t.Errorf("got %q, want the line of the mistake", got)
	}
	for _, empty := range []string{"", "# nothing\n", "clients: []\n"} {
		change(empty)
		got, _ := c.record("reading the clients file again")["error"].(string)
		if !strings.Contains(got, "has no clients; to go on without any") {
			t.Errorf("%q: got %q, want that the file is empty", empty, got)
		}
	}
	// However often it reads the file again, it stops at a signal.
	for range 20 {
		c.signal(syscall.SIGHUP)
	}
	c.signal(syscall.SIGTERM)
	if code, rest := c.wait(); code != exitOK {
		t.Errorf("exit code %d: %s", code, rest)
	}
}
