package ownca

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// made are the files of a CA, which takes long to make.
var made = sync.OnceValues(func() (files [2][]byte, err error) {
	dir, err := os.MkdirTemp("", "tlslift-test-")
	if err != nil {
		return files, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ca := filepath.Join(dir, "ca")
	if _, err := localca.Open(localca.Options{Dir: ca, Permitted: []string{"smtp.office365.com"}}); err != nil {
		return files, err
	}
	for i, name := range []string{"ca.pem", "ca.key"} {
		if files[i], err = os.ReadFile(filepath.Join(ca, name)); err != nil {
			return files, err
		}
	}
	return files, nil
})

// emptyHome returns one without a CA.
func emptyHome(t *testing.T, environ ...string) *Home {
	t.Helper()
	all := map[string]string{"HOME": "/home/user", "TLSLIFT_STATE_DIR": t.TempDir(), "TLSLIFT_ADMIN_LISTEN": ""}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		all[name] = value
	}
	cfg, err := settings.Source{Environ: all}.Load()
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// newHome returns one with a CA.
func newHome(t *testing.T, environ ...string) *Home {
	t.Helper()
	h := emptyHome(t, environ...)
	putCA(t, h.options.Dir)
	return h
}

func putCA(t *testing.T, dir string) {
	t.Helper()
	files, err := made()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"ca.pem", "ca.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), files[i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// output returns what a program of others says; it must succeed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	testenv.Need(t, name)
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v, %s", name, args, err, out)
	}
	return string(out)
}

func current(t *testing.T, h *Home) *localca.Public {
	t.Helper()
	ca, err := h.current()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}
