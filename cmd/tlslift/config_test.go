package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "TLSLIFT_IDLE_TIMEOUT='5m'\n")
	got := runWith(t, map[string]string{"TLSLIFT_LOG_LEVEL": "error"}, "config", "--env-file", file)
	if got.code != exitOK || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
	for _, want := range []string{"TLSLIFT_LOG_LEVEL ", "environment", file + " line 1"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in:\n%s", want, got.stdout)
		}
	}
	got = runWith(t, map[string]string{"TLSLIFT_LISTEN": "wrong"}, "config")
	if got.code != exitUsage || got.stdout != "" || !strings.HasPrefix(got.stderr, `tlslift: TLSLIFT_LISTEN: "wrong"`) {
		t.Errorf("a wrong setting: got %+v", got)
	}
	// The defaults do not depend on what is set.
	got = runWith(t, map[string]string{"TLSLIFT_LISTEN": "wrong"}, "config", "--format", "markdown")
	if got.code != exitOK || got.stdout != settings.Markdown() {
		t.Errorf("--format markdown: got %+v", got)
	}
}

func TestExampleEnvFile(t *testing.T) {
	t.Parallel()
	got := runWith(t, nil, "config", "--format", "env")
	testenv.WantFile(t, filepath.Join("..", "..", "deploy", "systemd", "tlslift.env"), got.stdout)
}

// What is unwise is no mistake: it is said once, beside the settings, and when it starts.
func TestWarningsOfSettings(t *testing.T) {
	t.Parallel()
	environ := map[string]string{"TLSLIFT_TRUSTED_PROXIES": "100.64.0.0/10", "TLSLIFT_STATE_DIR": t.TempDir()}
	const want = "TLSLIFT_TRUSTED_PROXIES has 100.64.0.0/10: each host there can claim to be any client"
	got := runWith(t, environ, "config")
	if got.code != exitOK || got.stderr != "warning: "+want+"; name the addresses of the load balancers\n" ||
		strings.Contains(got.stdout, "warning: ") {
		t.Errorf("got %+v", got)
	}
	needSignals(t)
	c := newChild(t, "TLSLIFT_TRUSTED_PROXIES=100.64.0.0/10")
	c.start()
	if line := c.await(want); !strings.Contains(line, `"level":"WARN"`) || !strings.Contains(line, `"remedy":"name the addresses`) {
		t.Errorf("got %s", line)
	}
}
