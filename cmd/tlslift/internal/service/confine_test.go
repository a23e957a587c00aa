package service

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/sandbox"
)

// A successor that is started in the sandbox of the process before it says what its own
// settings need beyond that, as often as the service was handed over.
func TestSuccessorStaysConfined(t *testing.T) {
	t.Parallel()
	state, elsewhere := t.TempDir(), t.TempDir()
	const more = "TLSLIFT_CONNECT_TO=outlook.office365.com:443=127.0.0.1:2525"
	environ := map[string]string{envLimits: "a variable of somebody else"}
	for i, test := range []struct{ setting, denied string }{
		{"", ""},
		{more, "connecting to port 2525"},
		{"TLSLIFT_SANDBOX=false", ""}, // it cannot be left
		{more, "connecting to port 2525"},
		{"TLSLIFT_CLIENTS_FILE=" + filepath.Join(elsewhere, "clients.yaml"), "reading " + elsewhere},
		{"", ""},
	} {
		name, value, _ := strings.Cut(test.setting, "=")
		cfg := mustLoad(t, map[string]string{"TLSLIFT_STATE_DIR": state, "TLSLIFT_LISTEN": "proxy://127.0.0.1:0"})
		switch name {
		case "TLSLIFT_CONNECT_TO":
			from, to, _ := strings.Cut(value, "=")
			cfg.ConnectTo = map[string]string{from: to}
		case "TLSLIFT_SANDBOX":
			cfg.Sandbox = false
		case "TLSLIFT_CLIENTS_FILE":
			cfg.ClientsFile = value
		}
		var log bytes.Buffer
		o := Options{
			Settings: cfg, Environ: environ,
			Confine: func(sandbox.Limits) (string, error) { return "files and ports", nil },
		}
		before, err := inheritedConfinement(environ, i > 0)
		if err != nil {
			t.Fatal(err)
		}
		to := slog.New(slog.NewTextHandler(&log, nil))
		now, err := before.confine(o, nil, to)
		if err != nil || now.limits == nil {
			t.Fatalf("process %d: %+v, %v", i, now, err)
		}
		now.warn(o, cfg, nil, to)
		if got := log.String(); strings.Contains(got, "denied=") != (test.denied != "") || !strings.Contains(got, test.denied) {
			t.Errorf("process %d, %s: the log says %q, want %q", i, test.setting, got, test.denied)
		}
		if environ, err = now.environ(environ); err != nil || len(environ[envLimits]) > 32<<10 {
			t.Fatalf("process %d: %d bytes for the next one: %v", i, len(environ[envLimits]), err)
		}
	}
	if _, err := inheritedConfinement(map[string]string{envLimits: "{"}, true); err == nil {
		t.Error("half a text is a confinement")
	}
	if all, err := (confinement{}).environ(environ); err != nil || all[envLimits] != "" {
		t.Errorf("without a sandbox, the next process is told %q: %v", all[envLimits], err)
	}
}
