package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/packaged"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// runPackaged runs the program on a machine with a package.
func runPackaged(t *testing.T, m packaged.Machine, environ map[string]string, args ...string) result {
	t.Helper()
	all := homeEnviron()
	maps.Copy(all, environ)
	dir := t.TempDir()
	stdout, stderr := create(t, filepath.Join(dir, "stdout")), create(t, filepath.Join(dir, "stderr"))
	code := runOn(m, args, all, stdout, stderr)
	return result{code, content(t, stdout), content(t, stderr)}
}

// What a person types at a shell uses the settings of the service, unless there are others.
func TestSettingsOfThePackage(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are no such packages")
	}
	m := packaged.Machine{EnvFile: writeFile(t, "TLSLIFT_LOG_LEVEL=error\n"), StateDir: t.TempDir()}
	other := writeFile(t, "TLSLIFT_LOG_FORMAT=text\n")
	for name, tt := range map[string]struct {
		environ map[string]string
		args    []string
		with    bool
	}{
		"none given":   {nil, []string{"config"}, true},
		"a variable":   {map[string]string{"TLSLIFT_LOG_FORMAT": "json"}, []string{"config"}, false},
		"another file": {nil, []string{"config", "--env-file", other}, false},
		"its variable": {map[string]string{"TLSLIFT_ENV_FILE": other}, []string{"config"}, false},
	} {
		got := runPackaged(t, m, tt.environ, tt.args...)
		has := strings.Contains(got.stdout, m.EnvFile+" line 1") && strings.Contains(got.stdout, m.StateDir)
		if got.code != exitOK || got.stderr != "" || has != tt.with {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	unit := map[string]string{"STATE_DIRECTORY": "/elsewhere"}
	if got := runPackaged(t, m, unit, "config"); runtime.GOOS == "linux" && !strings.Contains(got.stdout, "/elsewhere") {
		t.Errorf("another state directory was given: %+v", got)
	}
}

// A failure names the settings that exist and could not be read; what needs no settings
// does not look for them.
func TestSettingsOfThePackageUnread(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are no such modes")
	}
	m := packaged.Machine{EnvFile: writeFile(t, "TLSLIFT_ADMIN_LISTEN=127.0.0.1:1\n")}
	if err := os.Chmod(m.EnvFile, 0o666); err != nil {
		t.Fatal(err)
	}
	const want = "the settings of the service were not read: "
	if got := runPackaged(t, m, nil, "healthcheck"); got.code != exitFailure || !strings.Contains(got.stderr, want+m.EnvFile) {
		t.Errorf("got %+v", got)
	}
	for _, args := range [][]string{{"config"}, {"srve"}, {"version"}} {
		if got := runPackaged(t, m, nil, args...); strings.Contains(got.stderr, want) {
			t.Errorf("%v: got %+v", args, got)
		}
	}
}

// A service gets its settings from its unit: another start of it does not find more.
func TestServeUnderSystemdHasNoOtherSettings(t *testing.T) {
	t.Parallel()
	m := packaged.Machine{EnvFile: writeFile(t, "TLSLIFT_NO_SUCH=1\n")}
	if runtime.GOOS != "windows" {
		if got := runPackaged(t, m, nil, "serve"); got.code != exitUsage || !strings.Contains(got.stderr, "TLSLIFT_NO_SUCH") {
			t.Errorf("at a shell: got %+v", got)
		}
	}
	// Without a home directory there is no state directory, and so no start.
	got := runPackaged(t, m, map[string]string{"INVOCATION_ID": "0", "HOME": "", "LOCALAPPDATA": ""}, "serve")
	if got.code != exitUsage || strings.Contains(got.stderr, "TLSLIFT_NO_SUCH") || !strings.Contains(got.stderr, "TLSLIFT_STATE_DIR") {
		t.Errorf("under systemd: got %+v", got)
	}
}

// Who asks a tlslift that runs need not be able to read what only the service may.
func TestQuestionsReadNoSecrets(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are no such modes")
	}
	signIn := writeFile(t, "tenant: x\n")
	authority := testenv.NewAuthority(t, "admin", testenv.RSAKey(t, 0))
	leaf := authority.Issue(t, testenv.Template("admin", "admin.example.com"), testenv.RSAKey(t, 0))
	key := testenv.WriteFile(t, "key.pem", testenv.KeyPEM(t, testenv.RSAKey(t, 0)))
	certificate := testenv.WriteFile(t, "cert.pem", testenv.CertificatePEM(leaf.Leaf))
	web := writeFile(t, "tls_server_config: {cert_file: "+certificate+", key_file: "+key+"}\n")
	if err := errors.Join(os.Chmod(signIn, 0o644), os.Chmod(key, 0o644)); err != nil {
		t.Fatal(err)
	}
	environ := map[string]string{
		"TLSLIFT_SIGNIN_FILE": signIn, "TLSLIFT_ADMIN_WEB_CONFIG_FILE": web, "TLSLIFT_ADMIN_LISTEN": "127.0.0.1:1",
	}
	if got := runWith(t, environ, "endpoints", "smtp.office365.com:587"); got.code != exitOK {
		t.Errorf("got %+v", got)
	}
	if got := runWith(t, environ, "watch"); got.code != exitFailure || strings.Contains(got.stderr, "_FILE:") {
		t.Errorf("got %+v", got)
	}
	for _, args := range [][]string{{"config"}, {"config", "--check"}, {"serve"}} {
		if got := runWith(t, environ, args...); got.code != exitUsage || !strings.Contains(got.stderr, "TLSLIFT_SIGNIN_FILE") {
			t.Errorf("%v: got %+v", args, got)
		}
	}
}
