package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/successor"
	"github.com/tlslift/tlslift/proxy/testenv"
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
	if got := c.record("read the configuration again")["clients"]; got != 2.0 {
		t.Errorf("got %v clients, want 2", got)
	}
	change("clients: [\n")
	if got, _ := c.record("reading the configuration again")["error"].(string); !strings.Contains(got, "line ") {
		t.Errorf("got %q, want the line of the mistake", got)
	}
	for _, empty := range []string{"", "# nothing\n", "clients: []\n"} {
		change(empty)
		got, _ := c.record("reading the configuration again")["error"].(string)
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

// Signals that come while the process ends do not change how it ended.
func TestSignalsUntilTheProcessHasEnded(t *testing.T) {
	t.Parallel()
	needSignals(t)
	for name, s := range map[string]syscall.Signal{"SIGHUP": syscall.SIGHUP, "hand-over": successor.Signal, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChild(t)
			c.start()
			c.started()
			c.record("started")
			c.signal(syscall.SIGTERM)
			all := make(chan struct{})
			go func() {
				defer close(all)
				for c.cmd.Process.Signal(s) == nil { // until it has been waited for
				}
			}()
			defer func() { <-all }()
			if code, rest := c.wait(); code != exitOK && (s != syscall.SIGTERM || code != exitCut) {
				t.Errorf("exit code %d: %s", code, rest)
			}
		})
	}
}

// What the log says of a reload.
const (
	readAgain  = "read the configuration again"
	stayBefore = "reading the configuration again; what was read before stays in force"
)

// SIGHUP reads everything again: the env file with the settings, and the files that they
// name. A setting that cannot change is named, and with a mistake nothing changes.
func TestConfigurationIsReadAgain(t *testing.T) {
	t.Parallel()
	needSignals(t)
	file := writeFile(t, "")
	roots := filepath.Join(filepath.Dir(file), "roots.pem") // where the sandbox lets it be read
	if err := os.WriteFile(roots, testenv.FakeM365(t).RootPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newChild(t, "TLSLIFT_ENV_FILE="+file, "TLSLIFT_STATE_DIR="+t.TempDir())
	c.start()
	c.started()
	c.record("started")
	change := func(text, message string) map[string]any {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.signal(syscall.SIGHUP)
		return c.record(message)
	}
	allows := func(host string, want bool) {
		t.Helper()
		if _, body := c.get("/proxy.pac"); strings.Contains(body, host) != want {
			t.Errorf("%s is in proxy.pac: %v, want %v", host, !want, want)
		}
	}
	change("TLSLIFT_DESTINATIONS=mail.example.com:443\n", readAgain)
	allows("mail.example.com", true)
	if got := change("TLSLIFT_REVERSE_DNS=true\nTLSLIFT_MAX_CONNECTIONS=7\n", "some settings have changed"); got["settings"] !=
		"TLSLIFT_MAX_CONNECTIONS,TLSLIFT_REVERSE_DNS" {
		t.Errorf("got %v", got)
	}
	c.record(readAgain)
	allows("mail.example.com", false)
	for mistake, where := range map[string]string{
		"TLSLIFT_MAX_CONNECTIONS=many\n":                                                   "TLSLIFT_MAX_CONNECTIONS: ",
		"TLSLIFT_DESTINATIONS=b.example.com:443\nTLSLIFT_MAX_CONECTIONS=3\n":               "did you mean TLSLIFT_MAX_CONNECTIONS?",
		"TLSLIFT_DESTINATIONS=b.example.com:443\nTLSLIFT_UPSTREAM_CA_FILE=/no/roots.pem\n": "TLSLIFT_UPSTREAM_CA_FILE: cannot read /no/roots.pem",
		"TLSLIFT_DESTINATIONS=b.example.com:443\nTLSLIFT_UPSTREAM_CA_FILE=" + file + "\n":  "has no certificate in PEM form",
		"TLSLIFT_DESTINATIONS=b.example.com:443\nTLSLIFT_CLIENTS_FILE=/no/clients.yaml\n":  "TLSLIFT_CLIENTS_FILE: cannot read /no/clients.yaml",
		"TLSLIFT_DESTINATIONS=b.example.com:443\nTLSLIFT_SIGNIN_FILE=/no/signin.yaml\n":    "TLSLIFT_SIGNIN_FILE: ",
		"TLSLIFT_DESTINATIONS=b.example.com:443,*.*.example.com:443\n":                     "TLSLIFT_DESTINATIONS: ",
	} {
		if got, _ := change(mistake, stayBefore)["error"].(string); !strings.Contains(got, where) {
			t.Errorf("%q: got %q", mistake, got)
		}
		allows("b.example.com", false)
	}
	change("TLSLIFT_LOG_LEVEL=debug\nTLSLIFT_UPSTREAM_CA_FILE="+roots+"\n", readAgain)
	c.signal(syscall.SIGTERM)
	if code, rest := c.wait(); code != exitOK {
		t.Errorf("exit code %d: %s", code, rest)
	}
}

// Another CA in the folder is in force after a reload, and one that is not whole changes nothing.
func TestCAIsReadAgain(t *testing.T) {
	t.Parallel()
	needSignals(t)
	state, other := t.TempDir(), t.TempDir()
	c, d := newChild(t, "TLSLIFT_STATE_DIR="+state), newChild(t, "TLSLIFT_STATE_DIR="+other)
	d.start()
	d.started()
	c.start()
	c.started()
	fingerprint := c.record("certificate authority")["sha256"].(string)
	c.record("started")
	ca := filepath.Join(state, "ca")
	for _, name := range []string{"ca.pem", "ca.key"} {
		text, err := os.ReadFile(filepath.Join(other, "ca", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(ca, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.signal(syscall.SIGHUP)
	c.record(readAgain)
	if _, body := c.get("/ca"); strings.Contains(body, fingerprint) {
		t.Error("the CA of before is in force")
	}
	if err := os.Remove(filepath.Join(ca, "ca.key")); err != nil {
		t.Fatal(err)
	}
	c.signal(syscall.SIGHUP)
	if got, _ := c.record(stayBefore)["error"].(string); !strings.Contains(got, "TLSLIFT_STATE_DIR: loading the CA: ") {
		t.Errorf("got %q", got)
	}
	c.signal(syscall.SIGTERM)
	if code, rest := c.wait(); code != exitOK {
		t.Errorf("exit code %d: %s", code, rest)
	}
}
