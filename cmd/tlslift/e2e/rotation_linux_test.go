package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// command runs another command of tlslift with the same settings.
func (l *tlslift) command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), l.cmd.Path, args...)
	cmd.Env = l.cmd.Env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A rotation as an administrator does it, without a restart: each client gets the CA that it
// has, old and new at once, and in the end the old key is gone. Clients that insist on a
// revocation list get that of each CA.
func TestRotationOfTheCA(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	public := testenv.FreeAddress(t)
	clients := testenv.WriteFile(t, "clients.yaml", []byte("clients: [{name: other-printer, address: 192.0.2.1}]\n"))
	l := start(t, n.address, n.pki.pem, "TLSLIFT_CLIENTS_FILE="+clients, "TLSLIFT_PUBLIC_LISTEN="+public, "TLSLIFT_CRL_URL=http://"+public)
	visit := func(what, caFile string, want bool) {
		t.Helper()
		out, err := sClient(t, caFile, "-connect", l.tls, "-tls1", "-cipher", "AES128-SHA:@SECLEVEL=0", "-crl_check", "-crl_download")
		if ok := err == nil && strings.Contains(out, "Verify return code: 0 (ok)"); ok != want {
			t.Errorf("%s: with %s: %v, want %v: %v, %s", what, filepath.Base(filepath.Dir(caFile)), ok, want, err, end(out))
		}
	}
	old := copied(t, l.caFile)
	visit("before", old, true)
	if out, err := l.command(t, "ca", "rotate"); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	l.hangUp(`"read the configuration again"`)
	if !strings.Contains(l.log(), "a rotation of the CA is under way") {
		t.Errorf("the log does not say that there are two CAs:\n%s", l.log())
	}
	next := copied(t, filepath.Join(filepath.Dir(l.caFile)+".new", "ca.pem"))
	visit("begun", old, true)
	visit("begun", next, false)
	if out, err := l.command(t, "ca", "show"); err != nil || !strings.Contains(out, "clients were last shown the old CA") {
		t.Errorf("%v, %s", err, out)
	}
	if out, err := l.command(t, "ca", "rotate", "--finish"); err == nil || !strings.Contains(out, "127.0.0.1") {
		t.Errorf("finished while a client uses the old CA: %v, %s", err, out)
	}
	if err := os.WriteFile(clients, []byte("clients: [{name: printer, address: 127.0.0.1, ca: new}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.hangUp(`"read the configuration again"`)
	visit("moved", next, true)
	visit("moved", old, false)
	if out, err := run(t, "", "curl", "-sSf", "http://"+public+"/ca-new.pem"); err != nil || out != content(t, next) {
		t.Errorf("%v, %s", err, out)
	}
	if out, err := l.command(t, "ca", "rotate", "--finish"); err != nil {
		t.Errorf("%v, %s", err, out)
	}
	l.hangUp(`"read the configuration again"`)
	visit("finished", next, true)
	visit("finished", old, false)
	if content(t, l.caFile) != content(t, next) {
		t.Error("the CA is not the new one")
	}
	if left, _ := filepath.Glob(filepath.Dir(l.caFile) + "*"); len(left) != 1 {
		t.Errorf("there is still %q", left)
	}
	list := filepath.Join(t.TempDir(), "ca.crl")
	if out, err := run(t, "", "curl", "-sSf", "-o", list, "http://"+public+"/ca.crl"); err != nil {
		t.Errorf("%v, %s", err, out)
	}
	if out, err := run(t, "", "openssl", "crl", "-inform", "DER", "-in", list, "-noout", "-verify", "-CAfile", next); err != nil {
		t.Errorf("%v, %s", err, out)
	}
}

// copied returns the path of a copy.
func copied(t *testing.T, path string) string {
	t.Helper()
	return testenv.WriteFile(t, "ca.pem", []byte(content(t, path)))
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
