package check

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/deviceca"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

// The device CA is looked at if there is one: what is broken, and what expires soon.
func TestDeviceCA(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	cfg, err := settings.Source{Environ: map[string]string{"HOME": state, "TLSLIFT_STATE_DIR": state}}.Load()
	must(t, err)
	now := time.Now()
	c := &checker{Options: Options{Machine: Machine{Now: func() time.Time { return now }}}, cfg: cfg}
	if all := c.deviceCA(t.Context()); len(all) > 0 {
		t.Errorf("without one: %+v", all)
	}
	home, err := deviceca.New(cfg)
	must(t, err)
	issue := func(name string, days int) {
		i := deviceca.Issue{Name: name, Days: days, Key: "p256", Output: filepath.Join(t.TempDir(), "device.p12")}
		must(t, i.Run(home, io.Discard, io.Discard))
	}
	want := func(status Status, says, remedy string) {
		t.Helper()
		all := c.deviceCA(t.Context())
		if len(all) != 1 || all[0].Status != status || !strings.Contains(all[0].Says, says) || !strings.Contains(all[0].Remedy, remedy) {
			t.Errorf("got %+v, want %s", all, says)
		}
	}
	issue("copier", 400)
	want(OK, "with 1 valid certificate", "")
	issue("scanner", 10)
	want(Warning, "the certificates of scanner expire soon", "issue new ones")
	issue("scanner", 400) // which is there already, so that nobody is in a hurry
	want(OK, "with 3 valid certificates", "")
	now = now.AddDate(9, 11, 0)
	want(Warning, "the device CA is valid for", "makes a new device CA")
	now = time.Now()
	key := filepath.Join(deviceca.Dir(state), "ca.key")
	must(t, os.Chmod(key, 0o644))
	want(Warning, "has mode 0644", "chmod 600")
	must(t, os.Remove(filepath.Join(deviceca.Dir(state), "issued.json")))
	want(Warning, "issued.json is missing", "from a backup")
	must(t, os.Remove(filepath.Join(deviceca.Dir(state), "ca.pem")))
	want(Warning, "has no ca.pem", "from a backup")
}
