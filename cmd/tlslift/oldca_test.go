package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/localca"
)

// A CA that is not limited goes on, and the log says once what else it could sign for. A
// new one has nothing to say.
func TestOldCAIsWarnedOf(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	old, err := localca.Open(localca.Options{Dir: filepath.Join(state, "ca")})
	if err != nil {
		t.Fatal(err)
	}
	c := newChild(t, "TLSLIFT_STATE_DIR="+state)
	c.start()
	c.started()
	const message = "whoever gets the key of the CA"
	warning := c.record(message)
	if excess, _ := warning["excess"].(string); !strings.Contains(excess, "IP addresses") || !strings.Contains(excess, "every host name") {
		t.Errorf("the warning is %v", warning)
	}
	if _, body := c.get("/ca"); !strings.Contains(body, "IP addresses") || !strings.Contains(body, old.Fingerprint()) {
		t.Errorf("the page does not say so: %s", body)
	}
	fresh := newChild(t)
	fresh.start()
	fresh.started()
	fresh.record("started")
	if _, body := fresh.get("/ca"); strings.Contains(body, "IP addresses") || strings.Contains(strings.Join(fresh.read, "\n"), message) {
		t.Error("a new CA is warned of")
	}
}
