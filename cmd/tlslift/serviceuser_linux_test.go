package main

import (
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
