package serviceuser

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// Only root gives its rights up, and only for a directory of somebody else.
func TestRights(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, same := range []string{dir, filepath.Join(dir, "none")} {
		if _, needed := rightsFor(same); needed {
			t.Errorf("%s: another user is needed", same)
		}
		if code, ran, err := (Command{}).Run(t.Context(), same); code != 0 || ran || err != nil {
			t.Errorf("%s: got %d, %v, %v", same, code, ran, err)
		}
	}
	testenv.NeedRoot(t, "give a directory to another user")
	if err := os.Chown(dir, 65532, 65533); err != nil {
		t.Fatal(err)
	}
	rights, needed := rightsFor(dir)
	if !needed || rights.Credential.Uid != 65532 || rights.Credential.Gid != 65533 || len(rights.Credential.Groups) != 0 {
		t.Fatalf("got %+v, %v", rights, needed)
	}
	for _, c := range rights.AmbientCaps {
		if !slices.Contains([]uintptr{unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_ADMIN}, c) {
			t.Errorf("it keeps the capability %d", c)
		}
	}
}
