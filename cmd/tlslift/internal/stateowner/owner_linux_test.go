package stateowner_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

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
