package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "TLSLIFT_IDLE_TIMEOUT='5m'\n")
	got := runWith(t, map[string]string{"TLSLIFT_LOG_LEVEL": "error"}, "config", "--env-file", file)
	if got.code != exitOK || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
	for _, want := range []string{"TLSLIFT_LOG_LEVEL ", "environment", file + " line 1"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in:\n%s", want, got.stdout)
		}
	}
	got = runWith(t, map[string]string{"TLSLIFT_LISTEN": "wrong"}, "config")
	if got.code != exitUsage || got.stdout != "" || !strings.HasPrefix(got.stderr, `tlslift: TLSLIFT_LISTEN: "wrong"`) {
		t.Errorf("a wrong setting: got %+v", got)
	}
	// The defaults do not depend on what is set.
	got = runWith(t, map[string]string{"TLSLIFT_LISTEN": "wrong"}, "config", "--format", "markdown")
	if got.code != exitOK || got.stdout != settings.Markdown() {
		t.Errorf("--format markdown: got %+v", got)
	}
}

func TestExampleEnvFile(t *testing.T) {
	t.Parallel()
	got := runWith(t, nil, "config", "--format", "env")
	testenv.WantFile(t, filepath.Join("..", "..", "deploy", "systemd", "tlslift.env"), got.stdout)
}

// What is unwise is no mistake: it is said once, beside the settings, and when it starts.
func TestWarningsOfSettings(t *testing.T) {
	t.Parallel()
	environ := map[string]string{"TLSLIFT_TRUSTED_PROXIES": "100.64.0.0/10", "TLSLIFT_STATE_DIR": t.TempDir()}
	const want = "TLSLIFT_TRUSTED_PROXIES has 100.64.0.0/10: each host there can claim to be any client"
	got := runWith(t, environ, "config")
	if got.code != exitOK || got.stderr != "warning: "+want+"; name the addresses of the load balancers\n" ||
		strings.Contains(got.stdout, "warning: ") {
		t.Errorf("got %+v", got)
	}
	needSignals(t)
	c := newChild(t, "TLSLIFT_TRUSTED_PROXIES=100.64.0.0/10")
	c.start()
	if line := c.await(want); !strings.Contains(line, `"level":"WARN"`) || !strings.Contains(line, `"remedy":"name the addresses`) {
		t.Errorf("got %s", line)
	}
}

// The check names every mistake in all files, once, and writes nothing.
func TestConfigCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	state := filepath.Join(dir, "state")
	if got := runWith(t, map[string]string{"TLSLIFT_STATE_DIR": state}, "config", "--check"); got.code != exitOK || got.stderr != "" ||
		!strings.Contains(got.stdout, "are good") {
		t.Errorf("without a file: got %+v", got)
	}
	if _, err := os.Stat(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it has made the state directory: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(state, "ca"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("state/ca/ca.pem", "no certificate")
	environ := map[string]string{
		"TLSLIFT_STATE_DIR":             state,
		"TLSLIFT_MAX_CONNECTIONS":       "many",
		"TLSLIFT_CLIENTS_FILE":          write("clients.yaml", "clients: [{name: one, address: 192.0.2.1, nme: x}]\n"),
		"TLSLIFT_UPSTREAM_CA_FILE":      write("roots.pem", "no PEM"),
		"TLSLIFT_TICKET_KEYS_FILE":      write("ticket.keys", "no key"),
		"TLSLIFT_ADMIN_WEB_CONFIG_FILE": write("web.yml", "tls_server_config: {cert_file: gone.pem, key_file: gone.key}\n"),
	}
	wants := []string{
		"TLSLIFT_MAX_CONNECTIONS: ", "TLSLIFT_CLIENTS_FILE: ", "TLSLIFT_UPSTREAM_CA_FILE: ", "TLSLIFT_TICKET_KEYS_FILE: ",
		"TLSLIFT_ADMIN_WEB_CONFIG_FILE: ", "TLSLIFT_STATE_DIR: loading the CA: ",
	}
	got := runWith(t, environ, "config", "--check")
	for _, want := range wants {
		if strings.Count(got.stderr, "tlslift: "+want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, got.stderr)
		}
	}
	if got.code != exitUsage || strings.Count(got.stderr, "\n") != len(wants) {
		t.Errorf("exit code %d:\n%s", got.code, got.stderr)
	}
	// The sign-in needs a good clients file.
	delete(environ, "TLSLIFT_CLIENTS_FILE")
	environ["TLSLIFT_SIGNIN_FILE"] = write("signin.yaml", "tenant: contoso.com\n"+
		"application: {id: "+signInApplication+", secret_file: secret}\nmailboxes: [{address: a@contoso.com, clients: [192.0.2.1]}]\n")
	write("secret", "")
	if got := runWith(t, environ, "config", "--check"); got.code != exitUsage || !strings.Contains(got.stderr, "TLSLIFT_SIGNIN_FILE: ") {
		t.Errorf("an empty secret: got %+v", got)
	}
}
