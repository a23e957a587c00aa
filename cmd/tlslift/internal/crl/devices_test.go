package crl

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/deviceca"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A deviceWorld is a state directory with a device CA, and the lists of the service there.
type deviceWorld struct {
	t     *testing.T
	state string
	home  *deviceca.Home
	lists *Lists
	log   *strings.Builder
	ca    *localca.Public
}

func newDeviceWorld(t *testing.T) *deviceWorld {
	t.Helper()
	w := &deviceWorld{t: t, state: t.TempDir()}
	cfg, err := settings.Source{Environ: map[string]string{"HOME": w.state, "TLSLIFT_STATE_DIR": w.state}}.Load()
	if err == nil {
		w.home, err = deviceca.New(cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.restart(time.Now)
	return w
}

// restart starts the service again.
func (w *deviceWorld) restart(now func() time.Time) {
	w.lists, _, w.log = newLists(w.t, w.state, now)
}

// issue returns the file of a certificate, in PEM form.
func (w *deviceWorld) issue(name string, hosts ...string) string {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), name+".pem")
	i := deviceca.Issue{Name: name, DNS: hosts, Days: 30, Key: "p256", PEM: true, Output: file}
	err := i.Run(w.home, io.Discard, io.Discard)
	if err == nil {
		w.ca, err = w.home.Public()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return file
}

func (w *deviceWorld) revoke(name string) {
	w.t.Helper()
	r := deviceca.Revocation{Asked: name, Reason: "keyCompromise"}
	if err := r.Run(w.home, io.Discard); err != nil {
		w.t.Fatal(err)
	}
}

// list returns the list, which has to be good, with so many certificates.
func (w *deviceWorld) list(revoked int) *x509.RevocationList {
	w.t.Helper()
	der, err := w.lists.Get(w.ca.ID())
	if err != nil {
		w.t.Fatal(err)
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := parsed.CheckSignatureFrom(w.ca.Certificate()); err != nil || len(parsed.RevokedCertificateEntries) != revoked {
		w.t.Errorf("%v, and %d are revoked, want %d", err, len(parsed.RevokedCertificateEntries), revoked)
	}
	return parsed
}

// A service that runs has a device CA that is made meanwhile, and each revocation, at once.
func TestDeviceListAtOnce(t *testing.T) {
	t.Parallel()
	w := newDeviceWorld(t)
	if der, err := w.lists.Get("0123456789ABCDEF"); err == nil || der != nil {
		t.Error("there is a list without a device CA")
	}
	w.issue("copier")
	first := w.list(0)
	if again := w.list(0); string(again.Raw) != string(first.Raw) {
		t.Error("another list was signed, and nothing has changed")
	}
	w.issue("scanner") // which does not change the list
	if again := w.list(0); string(again.Raw) != string(first.Raw) {
		t.Error("another list was signed, and nothing was revoked")
	}
	w.revoke("copier")
	second := w.list(1)
	if e := second.RevokedCertificateEntries[0]; second.Number.Cmp(first.Number) <= 0 || e.ReasonCode != 1 {
		t.Errorf("number %d after %d, %+v", second.Number, first.Number, e)
	}
	w.restart(time.Now)
	if again := w.list(1); string(again.Raw) != string(second.Raw) {
		t.Error("a restart signed another list")
	}
	w.restart(func() time.Time { return time.Now().Add(use) })
	if next := w.list(1); next.Number.Cmp(second.Number) <= 0 {
		t.Errorf("number %d after %d", next.Number, second.Number)
	}
	if w.log.Len() > 0 {
		t.Errorf("the log has %s", w.log)
	}
	if der, err := w.lists.Get(""); err != nil || len(der) == 0 {
		t.Errorf("the list of the CA of clients: %v", err)
	}
}

// A register from a backup takes no revocation back. One that is broken, or a key that cannot
// be read, leaves the last list, and nothing is told to who asks but the log.
func TestDeviceListOutlivesItsRegister(t *testing.T) {
	t.Parallel()
	w := newDeviceWorld(t)
	w.issue("copier")
	w.issue("scanner")
	w.list(0)
	register := filepath.Join(w.state, "device-ca", "issued.json")
	before, err := os.ReadFile(register)
	if err != nil {
		t.Fatal(err)
	}
	w.revoke("copier")
	last := w.list(1)
	if err := os.WriteFile(register, before, 0o600); err != nil {
		t.Fatal(err)
	}
	w.list(1)
	w.restart(time.Now)
	w.list(1)
	w.revoke("scanner")
	w.list(2)
	for what, spoil := range map[string]func() error{
		"broken":  func() error { return os.WriteFile(register, []byte("{"), 0o600) },
		"missing": func() error { return os.Remove(register) },
	} {
		w.log.Reset()
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		w.list(2)
		if next := w.list(2); next.Number.Cmp(last.Number) <= 0 || strings.Count(w.log.String(), "cannot be read; its list goes on") != 1 {
			t.Errorf("%s: number %d after %d, and the log has %s", what, next.Number, last.Number, w.log)
		}
	}
	w.restart(time.Now)
	w.list(2)
	saved, err := os.ReadFile(w.lists.file(w.ca))
	if err == nil {
		err = os.RemoveAll(w.lists.dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.restart(time.Now)
	if _, err := w.lists.Get(w.ca.ID()); err == nil || strings.Contains(err.Error(), w.state) {
		t.Errorf("with neither a register nor a list: %v", err)
	}
	if err := errors.Join(os.Mkdir(w.lists.dir, 0o700), os.WriteFile(w.lists.file(w.ca), saved, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(register, before, 0o600), os.Remove(filepath.Join(w.state, "device-ca", "ca.key"))); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	w.restart(func() time.Time { return now })
	w.list(2)
	now = now.Add(use)
	if w.list(2); !strings.Contains(w.log.String(), "the last one is served until it ends") {
		t.Errorf("the log has %s", w.log)
	}
	now = now.Add(life)
	_, err = w.lists.Get(w.ca.ID())
	if err == nil || strings.Contains(err.Error(), w.state) || !strings.Contains(w.log.String(), "ca.key is missing") {
		t.Errorf("%v, and the log has %s", err, w.log)
	}
}

// Where the lists are lost and the clock was set back, the number does not fall below what the
// rest of the state knows of.
func TestNumberWithoutAListAndWithoutAClock(t *testing.T) {
	t.Parallel()
	for what, lose := range map[string]func(dir string) error{
		"lost": func(dir string) error { return os.RemoveAll(dir) },
		"broken": func(dir string) error {
			return eachFile(dir, func(f string) error { return os.WriteFile(f, []byte("x"), 0o600) })
		},
		"empty": func(dir string) error { return eachFile(dir, func(f string) error { return os.Truncate(f, 0) }) },
	} {
		dir, now := t.TempDir(), time.Now()
		l, _, _ := newLists(t, dir, func() time.Time { return now })
		first := get(t, l, "")
		clients := filepath.Join(dir, "clients.json")
		if err := errors.Join(os.WriteFile(clients, nil, 0o600), os.Chtimes(clients, now, now.Add(time.Second)), lose(l.dir)); err != nil {
			t.Fatal(err)
		}
		now = now.Add(-12 * time.Hour)
		l, _, _ = newLists(t, dir, func() time.Time { return now })
		if next := get(t, l, ""); next.Number.Cmp(first.Number) <= 0 {
			t.Errorf("%s: number %d after %d", what, next.Number, first.Number)
		}
	}
}

func eachFile(dir string, do func(path string) error) error {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		err = errors.Join(err, do(f))
	}
	return err
}

// asks runs a server of OpenSSL that asks for a certificate and checks the list, lets curl
// connect with one, and reports whether it was let in.
func (w *deviceWorld) asks(server, device string, list []byte) bool {
	w.t.Helper()
	file := testenv.WriteFile(w.t, "list.pem", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list}))
	s := exec.CommandContext(w.t.Context(), "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", server, "-key", server, "-www",
		"-CAfile", w.ca.CertificateFile(), "-CRL", file, "-crl_check", "-Verify", "1", "-verify_return_error", "-naccept", "1")
	out, err := s.StdoutPipe()
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		_ = s.Process.Kill()
		_ = s.Wait() // it was killed, or has ended
	}()
	port := ""
	for lines := bufio.NewScanner(out); port == "" && lines.Scan(); {
		_, port, _ = strings.Cut(lines.Text(), "ACCEPT 127.0.0.1:")
	}
	got, err := exec.CommandContext(w.t.Context(), "curl", "-sS", "--max-time", "20", "--cert", device, "--cacert", w.ca.CertificateFile(),
		"--resolve", "web.contoso.local:"+port+":127.0.0.1", "https://web.contoso.local:"+port+"/").CombinedOutput()
	return err == nil && strings.Contains(string(got), "s_server")
}

// curl gets in with the certificate of a device, until that is revoked. Another device still does.
func TestServersRefuseARevokedDevice(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl", "curl")
	w := newDeviceWorld(t)
	server, copier, scanner := w.issue("web", "web.contoso.local"), w.issue("copier"), w.issue("scanner")
	if !w.asks(server, copier, w.list(0).Raw) {
		t.Error("a device is not let in")
	}
	w.revoke("copier")
	list := w.list(1).Raw
	if w.asks(server, copier, list) {
		t.Error("a revoked device is let in")
	}
	if !w.asks(server, scanner, list) {
		t.Error("a device that was not revoked is not let in")
	}
	file := testenv.WriteFile(t, "list.crl", list)
	out, err := exec.CommandContext(t.Context(), "openssl", "crl", "-inform", "DER", "-in", file, "-noout", "-text", "-CAfile",
		w.ca.CertificateFile()).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "verify OK") || !strings.Contains(string(out), "Key Compromise") {
		t.Errorf("%v, %s", err, out)
	}
}
