package deviceca

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// emptyHome returns one without a device CA.
func emptyHome(t *testing.T, environ ...string) *Home {
	t.Helper()
	all := map[string]string{"HOME": "/home/user", "TLSLIFT_STATE_DIR": t.TempDir(), "TLSLIFT_ADMIN_LISTEN": ""}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		all[name] = value
	}
	cfg, err := settings.Source{Environ: all}.Load()
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// names are the files of a device CA that has issued nothing.
var names = []string{"ca.pem", "ca.key", registerName}

// sharedCA are those files, which take long to make.
var sharedCA = sync.OnceValues(func() (files [3][]byte, err error) {
	dir, err := os.MkdirTemp("", "tlslift-test-")
	if err != nil {
		return files, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cfg, err := settings.Source{Environ: map[string]string{"HOME": dir, "TLSLIFT_STATE_DIR": dir}}.Load()
	if err != nil {
		return files, err
	}
	h, err := New(cfg)
	if err != nil {
		return files, err
	}
	if _, _, err := localca.OpenDeviceCA(h.options); err != nil {
		return files, err
	}
	for i, name := range names {
		if files[i], err = os.ReadFile(filepath.Join(h.options.Dir, name)); err != nil {
			return files, err
		}
	}
	return files, nil
})

// newHome returns one with a device CA.
func newHome(t *testing.T, environ ...string) *Home {
	t.Helper()
	h := emptyHome(t, environ...)
	files, err := sharedCA()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.options.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if err := os.WriteFile(filepath.Join(h.options.Dir, name), files[i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// ordinary returns what issues a certificate quickly, into a new file.
func ordinary(t *testing.T, name string) Issue {
	t.Helper()
	return Issue{Name: name, Days: 30, Key: "p256", Output: filepath.Join(t.TempDir(), "device.p12")}
}

// run issues, and returns what is said and the password.
func run(t *testing.T, h *Home, i Issue) (said, word string, err error) {
	t.Helper()
	if err := i.Check(); err != nil {
		t.Fatal(err)
	}
	var out, passwords strings.Builder
	if err = h.CheckNames(&i); err == nil {
		err = i.Run(h, &out, &passwords)
	}
	_, word, _ = strings.Cut(strings.TrimSpace(passwords.String()), "this once: ")
	return out.String(), word, err
}

// issue does that without an error.
func issue(t *testing.T, h *Home, i Issue) (said, word string) {
	t.Helper()
	said, word, err := run(t, h, i)
	if err != nil {
		t.Fatal(err)
	}
	return said, word
}

// revoke revokes, and returns what is said.
func revoke(h *Home, r Revocation) (string, error) {
	var b strings.Builder
	if err := r.Check(); err != nil {
		return "", err
	}
	err := r.Run(h, &b)
	return b.String(), err
}

// output returns what a program of others says; it must succeed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	testenv.Need(t, name)
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v, %s", name, args, err, out)
	}
	return string(out)
}

// certificatesIn returns those of a PEM file.
func certificatesIn(t *testing.T, path string) (all []*x509.Certificate) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// keyText is what the key of the device CA has in its file.
func keyText(t *testing.T, h *Home) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.options.Dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(text)
}

func public(t *testing.T, h *Home) *localca.Public {
	t.Helper()
	ca, err := h.Public()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// listed returns what was issued.
func listed(t *testing.T, h *Home) []Issued {
	t.Helper()
	r, err := loadRegister(h.options.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return r.Issued
}
