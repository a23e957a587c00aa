package stateowner_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/stateowner"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// The owner of the state directory cannot make root give files away that are not the
// ones that root has made there.
func TestShareGivesNothingElseAway(t *testing.T) {
	t.Parallel()
	testenv.NeedRoot(t, "give a file to another user")
	const user = 65532
	outside, state := t.TempDir(), t.TempDir()
	in := func(dir, name string) string { return filepath.Join(dir, name) }
	for _, step := range []error{
		os.Mkdir(in(state, "signin"), 0o700),
		os.WriteFile(in(outside, "secret"), nil, 0o600),
		os.WriteFile(in(state, "ca.key"), nil, 0o600),
		os.WriteFile(in(state, "signin/a.login"), nil, 0o600),
		os.WriteFile(in(state, "signin/theirs.login"), nil, 0o600),
		os.Chown(in(state, "signin/theirs.login"), 1, 1),
		os.Symlink(in(outside, "secret"), in(state, "signin/link")),
		os.Link(in(state, "ca.key"), in(state, "signin/hard.login")),
		os.Chown(state, user, user),
		stateowner.Share(&settings.Config{StateDir: state}, "signin"),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	for path, want := range map[string]uint32{
		in(state, "signin"): user, in(state, "signin/a.login"): user, in(state, "signin/theirs.login"): 1,
		in(outside, "secret"): 0, in(state, "signin/link"): 0, in(state, "ca.key"): 0,
	} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; got != want {
			t.Errorf("%s belongs to %d, want %d", path, got, want)
		}
	}
	if err := os.RemoveAll(in(state, "signin")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, in(state, "signin")); err != nil {
		t.Fatal(err)
	}
	if err := stateowner.Share(&settings.Config{StateDir: state}, "signin"); err == nil {
		t.Error("a directory outside was opened")
	}
	if info, err := os.Lstat(in(outside, "secret")); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("%v, %v", info, err)
	}
	if err := stateowner.Share(&settings.Config{StateDir: in(state, "nowhere")}, "signin"); err != nil {
		t.Error(err)
	}
}

// exchangeIn names the directory in which the test program exchanges files, as the user who
// owns it, until it is killed.
const exchangeIn = "TEST_EXCHANGES_FILES_IN"

func TestMain(m *testing.M) {
	base := os.Getenv(exchangeIn)
	if base == "" {
		os.Exit(m.Run())
	}
	other, name := filepath.Join(base, "state/other"), filepath.Join(base, "state/signin/a.login")
	for {
		// The name is that of a file of root in another directory, and then of one of this user. Some of it
		// fails while root has the directory.
		_ = errors.Join(os.Link(filepath.Join(base, "secret"), other),
			os.Rename(other, name), os.WriteFile(other, nil, 0o600), os.Rename(other, name))
	}
}

// It does not either while the owner exchanges a file for another name of one in another directory.
func TestShareWhileAFileIsExchanged(t *testing.T) {
	t.Parallel()
	testenv.NeedRoot(t, "give a file to another user")
	const user = 65532
	base := t.TempDir()
	state, secret := filepath.Join(base, "state"), filepath.Join(base, "secret")
	dir := filepath.Join(state, "signin")
	for _, step := range []error{
		os.MkdirAll(dir, 0o700), os.WriteFile(secret, nil, 0o600), os.Chown(state, user, user), os.Chown(dir, user, user),
		os.Chmod(base, 0o755), os.Chmod(filepath.Dir(base), 0o755),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	self := filepath.Join(base, "test")
	program, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(self, program, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	exchange := exec.CommandContext(t.Context(), self)
	exchange.Env = []string{exchangeIn + "=" + base}
	exchange.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: user, Gid: user},
		// It may link a file of others, as where fs.protected_hardlinks is not set.
		AmbientCaps: []uintptr{unix.CAP_FOWNER},
	}
	if err := exchange.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exchange.Process.Kill()
		_ = exchange.Wait() // it was killed
	})
	for i := range 30000 {
		if i%10 == 0 { // one that root has made, which is to be given away
			made := filepath.Join(dir, "made.login")
			if err := os.WriteFile(made, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := stateowner.Share(&settings.Config{StateDir: state}, "signin"); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(secret); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Fatalf("root has given away a file of another directory: %v", err)
		}
		info, err := os.Lstat(filepath.Join(dir, "made.login"))
		if err != nil {
			t.Fatal(err)
		}
		if info.Sys().(*syscall.Stat_t).Uid != user {
			t.Fatal("a file that root has made is not given away")
		}
		if i%10 == 9 {
			if err := os.Remove(filepath.Join(dir, "made.login")); err != nil {
				t.Fatal(err)
			}
		}
	}
}
