package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestCrashIsStartedAgain checks that systemd starts tlslift again when its watchdog has
// ended it, and not after a wrong setting: the unit names exit codes.
func TestCrashIsStartedAgain(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "systemd", "tlslift.service"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^RestartPreventExitStatus=(.*)$`).FindStringSubmatch(string(text))
	if found == nil || !strings.Contains(string(text), "\nRestart=on-failure\n") {
		t.Fatal("the unit does not say when tlslift is started again")
	}
	final := strings.Fields(found[1])

	wrong := newChild(t, "TLSLIFT_IDLE_TIMEOUT=long")
	wrong.start()
	wrong.await("TLSLIFT_IDLE_TIMEOUT")
	if code, _ := wrong.wait(); !slices.Contains(final, strconv.Itoa(code)) {
		t.Errorf("with a wrong setting the exit code is %d, after which the unit tries again", code)
	}

	c := newChild(t)
	c.start()
	c.started()
	c.signal(syscall.SIGABRT) // as the watchdog does
	if code, _ := c.wait(); code != exitCrash || slices.Contains(final, strconv.Itoa(code)) {
		t.Errorf("after a crash the exit code is %d, after which the unit gives up", code)
	}
}
