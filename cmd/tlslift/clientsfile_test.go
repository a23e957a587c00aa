package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Each mistake in the clients file is a line with its place.
func TestClientsFileMistakes(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "clients:\n- name: a\n  adress: 192.0.2.1\n- name: b\n  address: 192.0.2.300\n")
	got := runWith(t, map[string]string{"TLSLIFT_CLIENTS_FILE": file}, "config")
	if got.code != exitUsage {
		t.Errorf("exit code %d, want %d", got.code, exitUsage)
	}
	for _, want := range []string{
		"TLSLIFT_CLIENTS_FILE: " + file + ": line 3, column 3: ", "did you mean address?",
		"TLSLIFT_CLIENTS_FILE: " + file + ": line 5, column 12: ",
	} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("got\n%swant %q in it", got.stderr, want)
		}
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
		t.Errorf("knows %v clients, want 2", got)
	}
	change("clients: [\n")
	if got, _ := c.record("reading the clients file again")["error"].(string); !strings.Contains(got, "line ") {
		t.Errorf("got %q, want the line of the mistake", got)
	}
	// However often it is told to read, it hears when it is told to stop.
	for range 20 {
		c.signal(syscall.SIGHUP)
	}
	c.signal(syscall.SIGTERM)
	if code, rest := c.wait(); code != exitOK {
		t.Errorf("exit code %d: %s", code, rest)
	}
}

// The example for operators is a valid file.
func TestExampleClientsFile(t *testing.T) {
	t.Parallel()
	cfg := &Config{ClientsFile: filepath.Join("..", "..", "deploy", "clients.yaml")}
	table, wrong, err := cfg.clientTable()
	if err != nil || len(wrong) > 0 || table.Len() != 3 {
		t.Errorf("got %d clients, %v, %v", table.Len(), wrong, err)
	}
}
