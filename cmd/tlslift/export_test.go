package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// What is exported is a clients file with all clients, those of before as they were.
func TestExportClients(t *testing.T) {
	t.Parallel()
	const before = "# ours\nclients:\n- name: scanner # do not touch\n  network: 192.0.2.128/25\n  ciphers: [rc4]\n"
	seen := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	inv := testenv.NewInventory(
		inventory.Client{Client: "scanner", Name: "scanner", Address: netip.MustParseAddr("192.0.2.131"), LastSeen: seen},
		inventory.Client{Client: "gone", Name: "gone", Address: netip.MustParseAddr("192.0.2.20"), LastSeen: seen},
		inventory.Client{Client: "192.0.2.31", Address: netip.MustParseAddr("192.0.2.31"), Host: "copier.example.com", Offered: "TLS 1.0",
			Protocols: []string{"smtp"}, Destinations: []string{"smtp.office365.com:587"}, LastSeen: seen, LastLegacy: seen, LastGood: seen},
		inventory.Client{Client: "fd00::5", Address: netip.MustParseAddr("fd00::5"), LastSeen: seen,
			Failure: &inventory.Failure{At: seen, Reason: record.ReasonHelloTimeout}},
		inventory.Client{Client: "192.0.2.66", Address: netip.MustParseAddr("192.0.2.66"), LastSeen: seen, // a scan
			Failure: &inventory.Failure{At: seen, Reason: record.ReasonClientNotAllowed}},
		inventory.Client{Client: "192.0.2.32", Address: netip.MustParseAddr("192.0.2.32"), Host: hostileName, Offered: hostileName,
			Protocols: []string{hostileName}, Destinations: []string{hostileName}},
	)
	file := writeFile(t, before)
	environ := map[string]string{"TLSLIFT_ADMIN_LISTEN": runningAdmin(t, inv), "TLSLIFT_CLIENTS_FILE": file}
	got := runWith(t, environ, "clients", "export")
	if got.code != exitOK || got.stderr != "" || !strings.HasPrefix(got.stdout, before) || controls(got.stdout) {
		t.Fatalf("got %+v", got)
	}
	for _, want := range []string{
		"\n# TLS 1.0, smtp to smtp.office365.com:587; needs tlslift; reverse DNS: copier.example.com; " +
			"last seen 2026-03-02\n- name: copier.example.com\n",
		"\n# no ClientHello yet; fails: hello_timeout; last seen 2026-03-02\n- name: client-fd00--5\n  address: \"fd00::5\"\n",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%q is missing in\n%s", want, got.stdout)
		}
	}
	table, err := clientfile.Parse([]byte(got.stdout))
	if err != nil || table.Len() != 5 || !table.Lookup(netip.MustParseAddr("192.0.2.131")).RC4 {
		t.Fatalf("%d clients, %v", table.Len(), err)
	}
	for addr, want := range map[string]string{
		"192.0.2.131": "scanner", "192.0.2.20": "gone", "192.0.2.31": "copier.example.com", "fd00::5": "client-fd00--5",
		"192.0.2.66": "", "192.0.2.32": "client-192-0-2-32",
	} {
		if got := table.NameOf(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is called %q, want %q", addr, got, want)
		}
	}
	// Loaded and exported again, it stays the same.
	environ["TLSLIFT_CLIENTS_FILE"] = writeFile(t, got.stdout)
	if again := runWith(t, environ, "clients", "export"); again.stdout != got.stdout {
		t.Errorf("exported again: %+v", again)
	}
	delete(environ, "TLSLIFT_CLIENTS_FILE")
	if got := runWith(t, environ, "clients", "export"); !strings.HasPrefix(got.stdout, "clients:\n\n  # ") {
		t.Errorf("without a file: %+v", got)
	}
}

// The shell empties the file that it writes to.
func TestExportOverTheClientsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "clients.yaml")
	out, stderr := create(t, path), create(t, path+".stderr")
	environ := homeEnviron()
	environ["TLSLIFT_CLIENTS_FILE"] = path
	if code := run([]string{"clients", "export"}, environ, out, stderr); code != exitUsage ||
		!strings.Contains(content(t, stderr), "write to another file") {
		t.Errorf("exit code %d, %s", code, content(t, stderr))
	}
	if text, err := os.ReadFile(path); err != nil || len(text) > 0 {
		t.Errorf("wrote %q, %v", text, err)
	}
}
