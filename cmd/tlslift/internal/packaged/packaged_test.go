package packaged

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestFind(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	file := testenv.WriteFile(t, "tlslift.env", []byte("TLSLIFT_LISTEN=smtp://:587\n"))
	machine := Machine{EnvFile: file, StateDir: state}
	missing := Machine{EnvFile: filepath.Join(state, "none"), StateDir: state}
	hidden := Machine{EnvFile: file, StateDir: filepath.Join(state, "link")}
	if err := os.Symlink(filepath.Join(state, "private", "tlslift"), hidden.StateDir); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		machine Machine
		mode    os.FileMode
		environ map[string]string
		want    Found
		unread  string
	}{
		"found": {
			machine: machine, mode: 0o644, environ: map[string]string{"HOME": "/root"}, want: Found{EnvFile: file, StateDir: state},
		},
		"for its owner":       {machine: machine, mode: 0o600, want: Found{EnvFile: file, StateDir: state}},
		"settings given":      {machine: machine, mode: 0o644, environ: map[string]string{"TLSLIFT_LOG_LEVEL": ""}},
		"another file given":  {machine: machine, mode: 0o644, environ: map[string]string{"TLSLIFT_ENV_FILE": "/x"}},
		"misspelt settings":   {machine: machine, mode: 0o644, environ: map[string]string{"tlslift_listen": "x"}},
		"no file":             {machine: missing, mode: 0o644},
		"no machine":          {mode: 0o644},
		"no state yet":        {machine: Machine{EnvFile: file, StateDir: missing.EnvFile}, mode: 0o644, want: Found{EnvFile: file}},
		"hidden state":        {machine: hidden, mode: 0o644, want: Found{EnvFile: file, StateDir: hidden.StateDir}},
		"others can write":    {machine: machine, mode: 0o646, unread: "chmod go-w"},
		"the group can write": {machine: machine, mode: 0o664, unread: "--env-file"},
	} {
		if err := os.Chmod(file, tt.mode); err != nil {
			t.Fatal(err)
		}
		got := tt.machine.Find(tt.environ)
		unread := ""
		if got.Unread != nil {
			unread, got.Unread = got.Unread.Error(), nil
		}
		if got != tt.want || (unread == "") != (tt.unread == "") || !strings.Contains(unread, tt.unread) {
			t.Errorf("%s: got %+v, unread %q", name, got, unread)
		}
	}
}

// A file of another user is not read: he could make root use settings of his.
func TestFileOfAnotherUser(t *testing.T) {
	t.Parallel()
	testenv.NeedRoot(t, "give a file to another user")
	file := testenv.WriteFile(t, "tlslift.env", nil)
	if err := errors.Join(os.Chown(file, 65532, 65532), os.Chmod(file, 0o644)); err != nil {
		t.Fatal(err)
	}
	got := Machine{EnvFile: file}.Find(nil)
	if got.EnvFile != "" || got.Unread == nil || !strings.Contains(got.Unread.Error(), "belongs to user 65532") {
		t.Errorf("got %+v", got)
	}
}
