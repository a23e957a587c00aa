package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// The commands sign in to a tlslift whose admin address asks for a password, with the
// settings that they share with it.
func TestCommandsSignIn(t *testing.T) {
	t.Parallel()
	needSignals(t)
	const password = "correct horse"
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	web, secret := filepath.Join(dir, "web.yml"), filepath.Join(dir, "password")
	for path, text := range map[string]string{web: "basic_auth_users:\n  jane: " + string(hash) + "\n", secret: password + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := newChild(t, "TLSLIFT_ADMIN_WEB_CONFIG_FILE="+web, "TLSLIFT_ADMIN_USER=jane", "TLSLIFT_ADMIN_PASSWORD_FILE="+secret)
	c.start()
	c.started()
	environ := map[string]string{
		"TLSLIFT_ADMIN_LISTEN": strings.TrimPrefix(c.admin, "http://"), "TLSLIFT_ADMIN_WEB_CONFIG_FILE": web,
		"TLSLIFT_ADMIN_USER": "jane", "TLSLIFT_ADMIN_PASSWORD_FILE": secret,
	}
	for command, want := range map[string]string{
		"clients": "no clients\n", "clients --csv": "client,address", "healthcheck": "ok", "clients export": "clients:",
	} {
		if got := runWith(t, environ, strings.Fields(command)...); got.code != exitOK || !strings.HasPrefix(got.stdout, want) {
			t.Errorf("%s: got %+v", command, got)
		}
	}
	got := runWith(t, environ, "clients", "forget", "nobody")
	if got.code != exitFailure || !strings.Contains(got.stderr, `no client is called "nobody"`) {
		t.Errorf("forget: got %+v", got)
	}
	environ["TLSLIFT_ADMIN_USER"] = ""
	got = runWith(t, environ, "clients")
	if got.code != exitUsage || !strings.Contains(got.stderr, "TLSLIFT_ADMIN_USER: it is missing, but TLSLIFT_ADMIN_PASSWORD_FILE is") {
		t.Errorf("half of the settings: got %+v", got)
	}
	environ["TLSLIFT_ADMIN_PASSWORD_FILE"] = ""
	got = runWith(t, environ, "watch")
	if got.code != exitFailure || !strings.Contains(got.stderr, "it asks for a password; set TLSLIFT_ADMIN_USER") {
		t.Errorf("without a user: got %+v", got)
	}
	environ["TLSLIFT_ADMIN_USER"], environ["TLSLIFT_ADMIN_PASSWORD_FILE"] = "ja:ne", secret
	if got := runWith(t, environ, "watch"); got.code != exitUsage || !strings.Contains(got.stderr, "TLSLIFT_ADMIN_USER: ") {
		t.Errorf("a colon: got %+v", got)
	}
}
