package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A mistake of the command line is told with what to write, before anything is opened.
func TestTestDeviceUsage(t *testing.T) {
	t.Parallel()
	clients := testenv.WriteFile(t, "clients.yaml", []byte("clients:\n- {name: floor, network: 192.168.30.0/24}\n"))
	environ := map[string]string{"TLSLIFT_STATE_DIR": t.TempDir(), "TLSLIFT_CLIENTS_FILE": clients}
	for args, want := range map[string]string{
		"--timeout 0s":               "--timeout: 0s",
		"--devices 0":                "from 1 to 16",
		"--devices 17":               "from 1 to 16",
		"--listen smpt://:2587":      "--listen: ",
		"--listen redirect://:3129":  "another scheme",
		"--client nobody":            "--client: \"nobody\"",
		"--client floor":             "with one address",
		"--listen smtp://:2587 more": "takes no arguments",
	} {
		got := runWith(t, environ, append([]string{"test-device"}, strings.Fields(args)...)...)
		if got.code != exitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: got %+v", args, got)
		}
	}
}

// The summary is JSON of its own; that nobody came is a failure.
func TestTestDeviceNobody(t *testing.T) {
	t.Parallel()
	environ := map[string]string{"TLSLIFT_STATE_DIR": t.TempDir(), "TLSLIFT_LISTEN": "smtp://127.0.0.1:0"}
	got := runWith(t, environ, "test-device", "--json", "--timeout", "1ms", "--listen", "smtp://127.0.0.1:0,proxy://127.0.0.1:0")
	var report devicetest.Report
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != exitFailure || len(report.Devices) != 0 {
		t.Errorf("%v: got %+v", err, got)
	}
	for _, want := range []string{"SMTP with STARTTLS", "A page for a phone: http://127.0.0.1:", "no device has come"} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("%q is missing in\n%s", want, got.stderr)
		}
	}
}
