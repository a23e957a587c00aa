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
		if _, needed := rightsFor(t.Context(), same); needed {
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
	rights, needed := rightsFor(t.Context(), dir)
	if !needed || rights.Credential.Uid != 65532 || rights.Credential.Gid != 65533 || len(rights.Credential.Groups) != 0 {
		t.Fatalf("got %+v, %v", rights, needed)
	}
	if given := capabilities(ofUnit(t.Context()), exists(openRC)); !slices.Equal(rights.AmbientCaps, permitted(given)) {
		t.Errorf("it keeps the capabilities %v, want %v", rights.AmbientCaps, given)
	}
}

// A command has the capabilities that the unit of the service has, and no other.
func TestCapabilitiesOfUnit(t *testing.T) {
	t.Parallel()
	const bind, admin = unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_ADMIN
	for _, test := range []struct {
		unit string
		want []uintptr
	}{
		{"", nil},
		{"LoadState=not-found\nAmbientCapabilities=cap_net_admin\n", nil},
		{"LoadState=loaded\nAmbientCapabilities=cap_net_bind_service\n", []uintptr{bind}},
		{"AmbientCapabilities=cap_net_admin cap_net_bind_service\nLoadState=loaded\n", []uintptr{admin, bind}},
		{"LoadState=loaded\nAmbientCapabilities=cap_net_admin cap_sys_admin cap_dac_override\n", []uintptr{admin}},
		{"LoadState=loaded\nAmbientCapabilities=\n", nil},
		{"LoadState=loaded\n", nil},
	} {
		if got := capabilities(test.unit, false); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %v, want %v", test.unit, got, test.want)
		}
	}
	for unit, want := range map[string]int{"": 1, "LoadState=loaded\nAmbientCapabilities=\n": 0} {
		if got := capabilities(unit, true); len(got) != want {
			t.Errorf("%q, with OpenRC: got %v", unit, got)
		}
	}
}
