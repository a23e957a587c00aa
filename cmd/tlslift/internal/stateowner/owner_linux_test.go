package stateowner_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

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

// It does not either while the owner exchanges a file for another name of one elsewhere.
func TestShareWhileAFileIsExchanged(t *testing.T) {
	t.Parallel()
	testenv.NeedRoot(t, "give a file to another user")
	const user = 65532
	base := t.TempDir()
	state, secret := filepath.Join(base, "state"), filepath.Join(base, "secret")
	dir := filepath.Join(state, "signin")
	for _, step := range []error{os.MkdirAll(dir, 0o700), os.WriteFile(secret, nil, 0o600), os.Chown(state, user, user)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var exchanging sync.WaitGroup
	defer exchanging.Wait()
	defer cancel()
	exchanging.Go(func() {
		other, name := filepath.Join(state, "other"), filepath.Join(dir, "a.login")
		for ctx.Err() == nil {
			err := errors.Join(os.WriteFile(other, nil, 0o600), os.Rename(other, name), os.Link(secret, other), os.Rename(other, name))
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for began := time.Now(); time.Since(began) < 2*time.Second; {
		if err := stateowner.Share(&settings.Config{StateDir: state}, "signin"); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(secret); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Fatalf("%v, %v", info, err)
		}
	}
}
