package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// wantOwner wants all below a directory to belong to a user, and to nobody else's eyes.
func wantOwner(t *testing.T, dir string, user uint32) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		seen++
		if got := info.Sys().(*syscall.Stat_t).Uid; got != user || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s belongs to %d, mode %s; want %d", path, got, info.Mode(), user)
		}
		return nil
	})
	if err != nil || seen < 3 {
		t.Errorf("saw %d files: %v", seen, err)
	}
}

// What root stores can be read by a service with its own user, also what a check renews.
func TestLoginAsRoot(t *testing.T) {
	t.Parallel()
	testenv.NeedRoot(t, "give a file to another user")
	const user, group = 65532, 65533
	w := newSignInWorld(t)
	state := filepath.Join(w.dir, "state")
	if err := os.Chown(state, user, group); err != nil {
		t.Fatal(err)
	}
	if got := w.login(t, w.as(jane), invoices); got.code != exitOK {
		t.Fatalf("got %+v", got)
	}
	wantOwner(t, filepath.Join(state, "signin"), user)
	if got := w.run(t, "check", "mailbox", invoices); got.code != exitOK {
		t.Fatalf("got %+v", got)
	}
	wantOwner(t, filepath.Join(state, "signin"), user)
	if err := os.Chown(state, 0, 0); err != nil { // a service of root itself
		t.Fatal(err)
	}
	if got := w.login(t, w.as(orders), orders); got.code != exitOK {
		t.Fatalf("got %+v", got)
	}
	info, err := os.Stat(filepath.Join(state, "signin", "signin-"+orders+".login"))
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("a service of root: %v, %v", info, err)
	}
}

// Without the settings of the service, root would make a directory that nobody reads.
func TestLoginAsRootWithoutSettings(t *testing.T) {
	t.Parallel()
	testenv.NeedRoot(t, "make a directory that the service cannot read")
	w := newSignInWorld(t)
	w.environ["TLSLIFT_STATE_DIR"] = filepath.Join(w.dir, "nowhere")
	got := w.run(t, "login", invoices)
	_, err := os.Stat(w.environ["TLSLIFT_STATE_DIR"])
	if got.code != exitFailure || !strings.Contains(got.stderr, "--env-file") || err == nil {
		t.Errorf("got %+v", got)
	}
	if n := w.Counts().DeviceCode; n != 0 {
		t.Errorf("Entra was asked %d times", n)
	}
}
