package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// TestSandbox leads the running program to a file outside its configuration: a clients
// file that is a link to elsewhere since the start. Without the sandbox the same file is
// read.
func TestSandbox(t *testing.T) {
	t.Parallel()
	if abi, err := ll.LandlockGetABIVersion(); err != nil || abi < 1 {
		t.Skipf("this kernel has no Landlock: %v", err)
	}
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	for _, test := range []struct{ setting, replaced, privileges string }{
		{"TLSLIFT_SANDBOX=true", "permission denied", "1"},
		{"TLSLIFT_SANDBOX=false", "read the configuration again", "0"},
	} {
		t.Run(test.setting, func(t *testing.T) {
			t.Parallel()
			clients := filepath.Join(t.TempDir(), "clients.yaml")
			elsewhere := testenv.WriteFile(t, "elsewhere.yaml", []byte("clients: [{address: 192.0.2.7, name: elsewhere}]\n"))
			if err := os.WriteFile(clients, []byte("clients: [{address: 192.0.2.7, name: here}]\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			l := start(t, n.address, n.pki.pem, "TLSLIFT_CLIENTS_FILE="+clients, test.setting)
			if out, err := sClient(t, l.caFile, "-proxy", l.proxy, "-connect", host+":443", "-tls1", "-cipher", "ALL:@SECLEVEL=0"); err != nil {
				t.Errorf("an old client is not served: %v\n%s", err, out)
			}
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.cmd.Process.Pid))
			if err != nil || !strings.Contains(string(status), "NoNewPrivs:\t"+test.privileges) {
				t.Errorf("NoNewPrivs is not %s: %v", test.privileges, err)
			}
			// A new file in the same place, as an editor makes it, is read either way.
			replace(t, clients, func(path string) error {
				return os.WriteFile(path, []byte("clients: [{address: 192.0.2.7, name: anew}]\n"), 0o600)
			})
			l.hangUp("read the configuration again")
			replace(t, clients, func(path string) error { return os.Symlink(elsewhere, path) })
			l.hangUp(test.replaced)
		})
	}
}

// A successor stays in the sandbox of the process before it, and so do those after it: the
// log says what their settings need beyond it.
func TestHandOverInTheSandbox(t *testing.T) {
	t.Parallel()
	if abi, err := ll.LandlockGetABIVersion(); err != nil || abi < 4 {
		t.Skipf("this kernel does not limit ports: %v", err)
	}
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	l := prepare(t, nil, n.address, n.pki.pem)
	file := testenv.WriteFile(t, "tlslift.env", []byte("TLSLIFT_SANDBOX=true\n"))
	l.cmd.Env = append(l.cmd.Env, "TLSLIFT_ENV_FILE="+file)
	l.runUntilEnd()
	if err := os.WriteFile(file, []byte("TLSLIFT_SANDBOX=true\nTLSLIFT_DESTINATIONS=mail.example.com:2525\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	next := l.cmd.Process
	for range 2 {
		l.signal(next, syscall.SIGUSR2)
		next = l.successor()
		if denied, _ := l.awaitLine("needs more than tlslift may do since its start")["denied"].(string); denied != "connecting to port 2525" {
			t.Errorf("what is denied is %q", denied)
		}
		l.forget(handedOver)
		l.forget("needs more than tlslift may do since its start")
	}
	_ = l.cmd.Wait()
	l.signal(next, syscall.SIGTERM)
	<-l.readToEnd
}

// replace puts a new file in the place of one.
func replace(t *testing.T, path string, create func(path string) error) {
	t.Helper()
	if err := create(path + ".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// hangUp makes tlslift read its files again, and waits for a line of the log about it.
func (l *tlslift) hangUp(want string) {
	l.t.Helper()
	l.forget(want)
	l.signal(l.cmd.Process, syscall.SIGHUP)
	l.awaitLine(want)
}
