package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// asRoot runs the program in a process of its own, as root types it at a shell.
func (w *signInWorld) asRoot(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = []string{asProgram + "=1", "HOME=/root"}
	for name, value := range w.all() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The files of the sign-in belong to the user of the service, as the documents say, and
// root's commands read them all the same; what they write belongs to that user.
func TestRootActsAsTheService(t *testing.T) {
	t.Parallel()
	testenv.NeedRoot(t, "give files to another user")
	const user, group = 65532, 65533
	w := newSignInWorld(t)
	state := w.environ["TLSLIFT_STATE_DIR"]
	for _, path := range []string{state, filepath.Join(w.dir, "signin.yaml"), filepath.Join(w.dir, "app-secret")} {
		if err := os.Chown(path, user, group); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{w.dir, filepath.Dir(w.dir)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(w.environ["TLSLIFT_UPSTREAM_CA_FILE"], 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"config"}, {"config", "--check"}, {"check", "mailbox", scan}, {"signin", "setup"}, {"check", "client", "10.1.2.3"},
	} {
		if out, err := w.asRoot(t, args...); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	// The exit code is that of the command.
	if out, err := w.asRoot(t, "check", "mailbox", foreign); err == nil || !strings.Contains(err.Error(), "exit status 1") ||
		!strings.Contains(out, "mailbox_refused") {
		t.Errorf("got %v\n%s", err, out)
	}
	// What only root may read is not for the service.
	if err := os.Chown(filepath.Join(w.dir, "app-secret"), 0, 0); err != nil {
		t.Fatal(err)
	}
	if out, err := w.asRoot(t, "config", "--check"); err == nil || !strings.Contains(out, "permission denied") {
		t.Errorf("got %v\n%s", err, out)
	}
}

// The check of root goes by the firewall rules that only root can read, though it goes on as
// the service; of root's environment the service gets no secret.
func TestRootChecksAsTheService(t *testing.T) {
	t.Parallel()
	testenv.NeedRoot(t, "give files to another user")
	w := newSignInWorld(t)
	dir := t.TempDir()
	const programs = `#!/bin/sh
case ${0##*/} in
nft) [ "$(id -u)" = 0 ] && echo "redirect to :13129" ;;
systemctl) env >>"$(dirname "$0")/environment-$(id -u)"; printf 'LoadState=loaded\nAmbientCapabilities=cap_net_bind_service\n' ;;
esac
`
	for _, name := range []string{"nft", "systemctl"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(programs), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, open := range []string{dir, w.dir, filepath.Dir(dir), filepath.Dir(w.dir)} {
		if err := os.Chmod(open, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(w.environ["TLSLIFT_STATE_DIR"], 65532, 65533); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "check", "--json", "--timeout", "10s")
	cmd.Env = []string{
		asProgram + "=1", "HOME=/root", "PATH=" + dir + ":" + os.Getenv("PATH"), "CLOUD_SECRET=of-root",
		"TLSLIFT_STATE_DIR=" + w.environ["TLSLIFT_STATE_DIR"], "TLSLIFT_LISTEN=redirect://127.0.0.1:13129",
		"TLSLIFT_CONNECT_TO=outlook.office365.com:443=127.0.0.1:9,smtp.office365.com:587=127.0.0.1:9",
	}
	out, _ := cmd.Output() // some of the other checks fail
	var report struct {
		Checks []struct{ Check, Status, Says string }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	isRead := false
	for _, r := range report.Checks {
		isRead = isRead || r.Check == "firewall_rules" && r.Status == "ok"
	}
	if !isRead {
		t.Errorf("the rules were not read:\n%s", out)
	}
	environ, err := os.ReadFile(filepath.Join(dir, "environment-65532"))
	if err != nil || !strings.Contains(string(environ), "PATH="+dir) || strings.Contains(string(environ), "of-root") {
		t.Errorf("the service has got, %v:\n%s", err, environ)
	}
}
