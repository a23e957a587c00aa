//go:build unix

package service

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

// begin builds a service from an environment; the error is that of the settings or of the
// parts.
func begin(environ map[string]string) error {
	source := settings.Source{Environ: map[string]string{"HOME": "/home/user", "TLSLIFT_LISTEN": "proxy://127.0.0.1:0"}}
	maps.Copy(source.Environ, environ)
	delete(source.Environ, "env file")
	source.EnvFile = environ["env file"]
	cfg, err := source.Load()
	if err != nil {
		return err
	}
	log := logging.NewWriter(io.Discard)
	defer log.Close()
	_, err = newService(Options{Settings: cfg, Log: log})
	return err
}

// inTime calls f, which must not wait for anybody.
func inTime(t *testing.T, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatal("it waits for something that does not come")
		return nil
	}
}

// A FIFO, a directory or a device in the place of a file does not stop the start: it is an
// error that names the setting and the file.
func TestIrregularFilesOfSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	regular := writeFile(t, "")
	for _, setting := range []string{
		"env file", "TLSLIFT_CLIENTS_FILE", "TLSLIFT_SIGNIN_FILE", "TLSLIFT_UPSTREAM_CA_FILE", "TLSLIFT_UPSTREAM_CERT_FILE",
		"TLSLIFT_UPSTREAM_KEY_FILE", "TLSLIFT_TICKET_KEYS_FILE", "TLSLIFT_ADMIN_WEB_CONFIG_FILE",
	} {
		for path, what := range map[string]string{fifo: "is a pipe", dir: "is a directory", "/dev/zero": "is a device"} {
			environ := map[string]string{"TLSLIFT_STATE_DIR": t.TempDir(), setting: path}
			if strings.Contains(setting, "UPSTREAM_CERT") || strings.Contains(setting, "UPSTREAM_KEY") {
				environ["TLSLIFT_UPSTREAM_CERT_DESTINATIONS"] = "mx.example.com:25"
				environ["TLSLIFT_UPSTREAM_CERT_FILE"], environ["TLSLIFT_UPSTREAM_KEY_FILE"] = regular, regular
				environ[setting] = path
			}
			err := inTime(t, func() error { return begin(environ) })
			if err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), path) ||
				setting != "env file" && !strings.Contains(err.Error(), setting) {
				t.Errorf("%s=%s: %v", setting, path, err)
			}
		}
	}
}

// Nor does one among the files that tlslift has made itself, or in the files that another
// one names.
func TestIrregularFilesOfState(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	environ := map[string]string{"TLSLIFT_STATE_DIR": state, "TLSLIFT_M365_REFRESH": "true"}
	if err := begin(environ); err != nil {
		t.Fatal(err)
	}
	for name, isFatal := range map[string]bool{
		"ca/ca.pem": true, "ca/ca.key": true, "ticket.keys": false, "clients.json": false, "endpoints-worldwide.json": false,
	} {
		path := filepath.Join(state, name)
		if err := os.Rename(path, path+".aside"); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		err := inTime(t, func() error { return begin(environ) })
		if (err != nil) != isFatal || err != nil && !strings.Contains(err.Error(), "is a pipe") {
			t.Errorf("%s: %v", name, err)
		}
		_ = os.Remove(path)
		_ = os.Rename(path+".aside", path)
	}
	web := writeFile(t, "tls_server_config:\n  cert_file: fifo\n  key_file: fifo\n")
	fifo := filepath.Join(filepath.Dir(web), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	environ["TLSLIFT_ADMIN_WEB_CONFIG_FILE"] = web
	if err := inTime(t, func() error { return begin(environ) }); err == nil || !strings.Contains(err.Error(), fifo+" is a pipe") {
		t.Errorf("a FIFO as a certificate: %v", err)
	}
}

// Others must not be able to change what is in the state directory.
func TestStateDirectoryOfOthers(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	environ := map[string]string{"TLSLIFT_STATE_DIR": state}
	if err := begin(environ); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{".": 0o777, "ca": 0o707, "ca/ca.pem": 0o646, "ca/ca.key": 0o644} {
		path := filepath.Join(state, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := begin(environ); err == nil || !strings.Contains(err.Error(), "so that others can") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s with mode %o: %v", name, mode, err)
		}
		if err := os.Chmod(path, info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	if err := begin(environ); err != nil {
		t.Errorf("after all was put right: %v", err)
	}
}
