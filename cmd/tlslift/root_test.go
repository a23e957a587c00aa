package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestHelp(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"help":        {"--help"},
		"serve":       {"serve", "--help"},
		"config":      {"config", "--help"},
		"healthcheck": {"healthcheck", "--help"},
		"endpoints":   {"endpoints", "--help"},
		"rules":       {"rules", "--help"},
		"password":    {"password", "--help"},
		"signin":      {"signin", "setup", "--help"},
		"check":       {"check", "--help"},
		"checkclient": {"check", "client", "--help"},
		"ca-export":   {"ca", "export", "--help"},
		"ca-rotate":   {"ca", "rotate", "--help"},
		"ca-import":   {"ca", "import", "--help"},
		"ca-issue":    {"ca", "issue", "--help"},
		"ca-issued":   {"ca", "issued", "--help"},
		"ca-revoke":   {"ca", "revoke", "--help"},
		"testdevice":  {"test-device", "--help"},
		"service":     {"service", "--help"},
	} {
		got := runWith(t, nil, args...)
		if got.code != exitOK || got.stderr != "" {
			t.Errorf("%s: got %+v", name, got)
		}
		testenv.WantFile(t, filepath.Join("testdata", name+".txt"), got.stdout)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		got := runWith(t, nil, "completion", shell)
		if got.code != exitOK || !strings.Contains(got.stdout, "__complete") || got.stderr != "" {
			t.Errorf("%s: exit code %d, stderr %q", shell, got.code, got.stderr)
		}
		if path, err := exec.LookPath(shell); err == nil && shell != "powershell" {
			if out, err := exec.Command(path, "-n", writeFile(t, got.stdout)).CombinedOutput(); err != nil {
				t.Errorf("%s does not take its script: %v: %s", shell, err, out)
			}
		}
	}
	if got := runWith(t, nil, "__complete", "config", "--format", ""); !strings.HasPrefix(got.stdout, "text\nmarkdown\nenv\n") {
		t.Errorf("completing --format: got %+v", got)
	}
	if got := runWith(t, nil, "__complete", "endpoints", "smtp"); !strings.Contains(got.stdout, "smtp.office365.com\n") {
		t.Errorf("completing a host: got %+v", got)
	}
	if got := runWith(t, nil, "__complete", "he"); !strings.Contains(got.stdout, "healthcheck") {
		t.Errorf("completing a command: got %+v", got)
	}
}
