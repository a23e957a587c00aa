package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands about certificates of devices: wrong usage is 64, and what is not there is 1.
// The password is on standard error, once, and the log of nobody has it.
func TestDeviceCertificates(t *testing.T) {
	t.Parallel()
	state, file := t.TempDir(), filepath.Join(t.TempDir(), "copier.p12")
	environ := map[string]string{"TLSLIFT_STATE_DIR": state, "TLSLIFT_ADMIN_LISTEN": ""}
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"issued", exitFailure, "the first tlslift ca issue makes one"},
		{"revoke copier", exitFailure, "there is no device CA"},
		{"issue copier", exitUsage, "--output is missing"},
		{"issue copier --dns outlook.office365.com -o " + file, exitUsage, "is an allowed destination"},
		{"issue copier --ip 8.8.8.8 -o " + file, exitUsage, "not a private address"},
		{"issue copier --domain microsoft -o " + file, exitUsage, "is a name of Microsoft"},
		{"issue", exitUsage, "accepts 1 arg"},
		{"revoke copier --reason lost", exitUsage, `"lost" is not a reason`},
		{"issue copier --key p256 --domain contoso.local -o " + file, exitOK, "shown this once"},
		{"issue copier --key p256 -o " + file, exitFailure, "--force"},
		{"issue x --dns x.fabrikam.local -o " + file + "2", exitFailure, "limited to contoso.local"},
		{"issued", exitOK, "copier"},
		{"export --device", exitOK, "BEGIN CERTIFICATE"},
		{"revoke copier", exitOK, "is revoked"},
		{"revoke copier", exitFailure, "no valid certificate"},
	} {
		got := runWith(t, environ, append([]string{"ca"}, strings.Fields(test.args)...)...)
		if got.code != test.code || !strings.Contains(got.stdout+got.stderr, test.says) {
			t.Errorf("ca %s: %+v", test.args, got)
		}
		if _, err := os.Stat(filepath.Join(state, "device-ca")); test.code == exitUsage && err == nil {
			t.Errorf("ca %s is refused, and has made a CA", test.args)
		}
		if test.says == "copier" {
			completed := runWith(t, environ, "__complete", "ca", "revoke", "")
			if !strings.HasPrefix(completed.stdout, "copier\n") {
				t.Errorf("it completes %+v", completed)
			}
		}
	}
}
