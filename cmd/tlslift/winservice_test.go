package main

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/winservice"
)

// Where there are no services of Windows, the command says what there is instead.
func TestServiceWithoutWindows(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are services here")
	}
	for _, verb := range []string{"install", "uninstall", "start", "stop", "reload", "status"} {
		got := runWith(t, nil, "service", verb)
		if got.code != exitUsage || !strings.Contains(got.stderr, "systemctl start tlslift") {
			t.Errorf("%s: got %+v", verb, got)
		}
	}
	if got := runWith(t, nil, "service", "instal"); got.code != exitUsage || !strings.Contains(got.stderr, "did you mean install?") {
		t.Errorf("got %+v", got)
	}
	if got := runWith(t, nil, "__complete", "serv"); strings.Contains(got.stdout, "service") {
		t.Errorf("it is offered: %+v", got)
	}
}

// What is checked at the installation is what the service will have: its file, and not the
// environment of who installs it. Mistakes in the file are found then.
func TestAsInstalled(t *testing.T) {
	t.Parallel()
	log := logging.NewWriter(os.Stderr)
	defer log.Close()
	environ := map[string]string{"TLSLIFT_DRAIN_TIMEOUT": "x", "tlslift_none": "y", "HOME": t.TempDir()}
	p := &program{environ: environ, stderr: os.Stderr, log: log}
	place := winservice.Place{Dir: t.TempDir()}
	as := asInstalled(p, writeFile(t, "TLSLIFT_DRAIN_TIMEOUT=7s\n"), place)
	cfg, err := as.load()
	if err != nil || time.Duration(cfg.DrainTimeout) != 7*time.Second {
		t.Errorf("got %v, %v", cfg, err)
	}
	if runtime.GOOS == "windows" && cfg.StateDir != place.StateDir() {
		t.Errorf("the state directory is %s", cfg.StateDir)
	}
	if _, err := asInstalled(p, writeFile(t, "TLSLIFT_DRAIN_TIMEOUT=soon\n"), place).load(); err == nil {
		t.Error("a mistake was not found")
	}
}
