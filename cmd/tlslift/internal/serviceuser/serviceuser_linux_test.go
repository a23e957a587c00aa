package serviceuser

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
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

// TestMain makes the test binary the command that acts as the service, if it is called so.
func TestMain(m *testing.M) {
	if !Acts(map[string]string{marker: os.Getenv(marker)}) {
		os.Exit(m.Run())
	}
	heeds := make(chan os.Signal, 1)
	if os.Args[1] != "dies" {
		signal.Notify(heeds, syscall.SIGTERM)
	}
	_, _ = os.Stdout.WriteString("ready\n")
	<-heeds
	if os.Args[1] == "fails" {
		os.Exit(3)
	}
}

// What a command makes of a signal is how the command of root ends.
func TestSignal(t *testing.T) {
	t.Parallel()
	testenv.NeedRoot(t, "run a program as another user")
	dir := t.TempDir()
	if err := os.Chown(dir, 65532, 65533); err != nil {
		t.Fatal(err)
	}
	for how, want := range map[string]int{"ends": 0, "fails": 3, "dies": killed} {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ready := make(chan struct{})
		go func() {
			defer close(ready)
			_, _ = reader.Read(make([]byte, 10))
			cancel()
		}()
		code, ran, err := (Command{Args: []string{how}, Stdout: writer, Stderr: os.Stderr}).Run(ctx, dir)
		_ = writer.Close()
		<-ready
		_ = reader.Close()
		if code != want || !ran || err != nil {
			t.Errorf("%s: got %d, %v, %v, want %d", how, code, ran, err, want)
		}
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
