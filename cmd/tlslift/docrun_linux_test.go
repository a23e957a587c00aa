package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/signin"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// The pages of deploy/docs/howto are run. They write:
//
//	```sh     commands that run here, from top to bottom; one that fails fails the test
//	```shell  commands for another machine, or that change this one: only checked
//	```ini    lines of /etc/tlslift/tlslift.env
//	```yaml   /etc/tlslift/clients.yaml, or the sign-in file
//
// A page's files are in place before its next commands. All pages have one tlslift, whose
// listeners are those of all of them; systemctl reload or restart makes it read its files.

// docHost is the name of tlslift's machine in the pages.
const docHost = "tlslift.example.com"

// docDevice is the device in the pages.
const docDevice = "192.168.20.31"

// docPassword is that of tlslift's own login in the pages.
const docPassword = "scan2fax-42"

// A docWorld is a tlslift with a fake Microsoft 365, and a directory that stands for the
// machine of the pages.
type docWorld struct {
	t     *testing.T
	dir   string
	at    map[string]string // address of each listener by its URL without an address
	base  map[string]string // settings
	admin string
	open  string // the public address
	path  string // of programs
}

func howtoPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join("..", "..", "deploy", "docs", "howto", "*.md"))
	if err != nil || len(pages) < 5 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	return pages
}

// settingsOf returns the settings that a page shows.
func settingsOf(t *testing.T, blocks []docBlock) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, b := range blocks {
		if b.language != "ini" || !b.isEnvFile() {
			continue
		}
		for line := range strings.Lines(b.text) {
			if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(name, "#") {
				all[name] = strings.Trim(value, "'")
			}
		}
	}
	return all
}

// listenersOf returns the listeners of a page, by the port that they have there.
func listenersOf(t *testing.T, blocks []docBlock) map[string]listener.URL {
	t.Helper()
	all := map[string]listener.URL{}
	for text := range strings.SplitSeq(settingsOf(t, blocks)["TLSLIFT_LISTEN"], ",") {
		if text == "" {
			continue
		}
		l, err := listener.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(l.Address)
		l.Address = ""
		all[port] = l
	}
	return all
}

func nameOf(l listener.URL) string {
	text, err := l.MarshalText()
	if err != nil {
		panic(err)
	}
	return string(text)
}

func newDocWorld(t *testing.T, pages []string) *docWorld {
	t.Helper()
	w := &docWorld{
		t: t, dir: t.TempDir(), at: map[string]string{}, admin: testenv.FreeAddress(t), open: testenv.FreeAddress(t),
	}
	for _, dir := range []string{"bin", "etc", "state"} {
		if err := os.Mkdir(filepath.Join(w.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var listen []string
	for _, page := range pages {
		for _, l := range listenersOf(t, docBlocksOf(t, page)) {
			if name := nameOf(l); w.at[name] == "" && !l.Scheme.Transparent() {
				l.Address = testenv.FreeAddress(t)
				w.at[name] = l.Address
				listen = append(listen, nameOf(l))
			}
		}
	}
	fakes := newSignInWorld(t)
	w.serveMX(fakes)
	w.base = maps.Clone(fakes.all())
	delete(w.base, "TLSLIFT_SIGNIN_FILE")
	maps.Copy(w.base, map[string]string{
		"TLSLIFT_LISTEN": strings.Join(listen, ","), "TLSLIFT_ADMIN_LISTEN": w.admin, "TLSLIFT_PUBLIC_LISTEN": w.open,
		"TLSLIFT_STATE_DIR": filepath.Join(w.dir, "state"), "TLSLIFT_CLIENT_NETS": "127.0.0.0/8",
	})
	w.programs()
	w.settings(nil)
	w.start()
	return w
}

// serveMX adds the tenant's own host, and one that wants a certificate. That is in the files
// connector.pem and connector.key.
func (w *docWorld) serveMX(fakes *signInWorld) {
	w.t.Helper()
	authority := testenv.NewAuthority(w.t, "Public CA of the test", testenv.OwnRSAKey(w.t))
	template := testenv.Template("relay.fabrikam.com", "relay.fabrikam.com")
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	key := testenv.RSAKey(w.t, 0)
	pair := authority.Issue(w.t, template, key)
	w.write("etc/connector.pem", string(testenv.CertificatePEM(pair.Leaf)))
	w.write("etc/connector.key", string(testenv.KeyPEM(w.t, key)))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.PEM())
	for tenant, clients := range map[string]*x509.CertPool{"contoso-com": nil, "fabrikam-com": roots} {
		server, err := fakes.fake.ServeSMTP(fakem365.MailOptions{
			MX: true, TLS: fakem365.TLSOptions{Names: []string{"*.mail.protection.outlook.com"}, ClientCAs: clients},
		})
		if err != nil {
			w.t.Fatal(err)
		}
		fakes.connectTo[tenant+".mail.protection.outlook.com:25"] = server.Addr()
	}
	web, err := fakes.fake.ServeHTTPS(fakem365.TLSOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	fakes.connectTo["outlook.office365.com:443"] = web.Addr()
}

func (w *docWorld) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// programs writes those that the pages use and that would be about this machine.
func (w *docWorld) programs() {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	// A reload ends when the log says so; another process writes it, so systemctl looks
	// again and again.
	for name, text := range map[string]string{
		"tlslift":    "exec env " + asProgram + "=1 " + self + ` "$@"`,
		"sudo":       `exec "$@"`,
		"journalctl": "exec tail -n 20 " + w.dir + "/log",
		"systemctl": `case $1 in reload | restart) ;; *) exit 0 ;; esac
ends() { grep -c -e '"read the configuration again"' -e '; what was read before stays' ` + w.dir + `/log; }
before=$(ends)
kill -HUP "$(cat ` + w.dir + `/pid)"
while [ "$(ends)" = "$before" ]; do sleep 0.02; done
grep -e '"read the configuration again"' -e '; what was read before stays' ` + w.dir + `/log |
	tail -n 1 | grep '"read the conf' >/dev/null ||
	{ tail -n 2 ` + w.dir + `/log >&2; exit 1; }`,
	} {
		w.write(filepath.Join("bin", name), "#!/bin/sh\n"+text+"\n")
		if err := os.Chmod(filepath.Join(w.dir, "bin", name), 0o700); err != nil {
			w.t.Fatal(err)
		}
	}
	w.path = filepath.Join(w.dir, "bin") + ":" + os.Getenv("PATH")
}

// settings writes the env file: what the world needs, and what a page says that a reload
// can change.
func (w *docWorld) settings(page map[string]string) {
	w.t.Helper()
	all := maps.Clone(w.base)
	for name, value := range page {
		if all[name] == "" {
			all[name] = value
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s=%s\n", name, all[name])
	}
	w.write("etc/tlslift.env", b.String())
}

func (w *docWorld) start() {
	w.t.Helper()
	log, err := os.Create(filepath.Join(w.dir, "log"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = log.Close() })
	cmd := exec.Command(filepath.Join(w.dir, "bin", "tlslift"), "serve", "--env-file", filepath.Join(w.dir, "etc", "tlslift.env"))
	cmd.Env, cmd.Stderr = []string{"PATH=" + w.path, "HOME=" + w.dir, "TLSLIFT_LOG_FORMAT=json"}, log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	w.write("pid", fmt.Sprint(cmd.Process.Pid))
	w.sh("", "until curl -sf http://"+w.admin+"/readyz >/dev/null; do sleep 0.02; done") // another process; nothing tells
}

// sh runs commands of a page in a directory and returns what they print.
func (w *docWorld) sh(dir, text string) (string, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-eu", "-c", text)
	cmd.Dir = dir
	// On a machine with the package, commands find the file by themselves.
	envFile := "TLSLIFT_ENV_FILE=" + filepath.Join(w.dir, "etc", "tlslift.env")
	cmd.Env = []string{"PATH=" + w.path, "HOME=" + w.dir, "OPENSSL_CONF=/dev/null", "LC_ALL=C", envFile}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

var docPort = regexp.MustCompile(regexp.QuoteMeta(docHost) + `:(\d+)`)

// here returns a text of a page with the addresses and directories of this world.
func (w *docWorld) here(text string, at map[string]listener.URL) string {
	text = docPort.ReplaceAllStringFunc(text, func(found string) string {
		port := strings.TrimPrefix(found, docHost+":")
		l, known := at[port]
		switch {
		case known:
			return w.at[nameOf(l)]
		case port == "8080":
			return w.open
		}
		w.t.Errorf("the page has no listener at port %s", port)
		return found
	})
	return strings.NewReplacer(
		"/etc/tlslift/", w.dir+"/etc/", "/var/lib/tlslift", w.dir+"/state", "127.0.0.1:9465", w.admin, docDevice, "127.0.0.1",
	).Replace(text)
}

// place puts a file of a page where it belongs.
func (w *docWorld) place(b docBlock, hash string) {
	switch {
	case b.isClientsFile():
		w.write("etc/clients.yaml", w.here(b.text, nil))
	case b.language == "yaml" && strings.HasPrefix(b.text, "tenant:"):
		w.write("state/signin.yaml", strings.ReplaceAll(w.here(b.text, nil), "$2b$10$...", hash))
		w.write("state/app-secret", appSecret+"\n")
	}
}

// Each page of deploy/docs/howto does what it says.
func TestHowTo(t *testing.T) {
	t.Parallel()
	pages := howtoPages(t)
	testenv.Need(t, "swaks", "curl", "openssl", "keytool")
	hash, err := signin.Hash(docPassword, signin.Bcrypt)
	if err != nil {
		t.Fatal(err)
	}
	w := newDocWorld(t, pages)
	for _, page := range pages {
		t.Run(strings.TrimSuffix(filepath.Base(page), ".md"), func(t *testing.T) {
			w.t = t
			w.page(docBlocksOf(t, page), hash)
		})
	}
}

// page runs a page.
func (w *docWorld) page(blocks []docBlock, hash string) {
	dir := w.t.TempDir()
	at := listenersOf(w.t, blocks)
	says := settingsOf(w.t, blocks)
	for name, value := range says {
		says[name] = w.here(value, at)
	}
	w.write("etc/clients.yaml", "clients: [{name: nobody, address: 192.0.2.1}]\n")
	for _, b := range blocks { // its files are there before the settings name them
		w.place(b, hash)
	}
	w.settings(says)
	if out, err := w.sh(dir, "systemctl reload tlslift"); err != nil {
		w.t.Fatalf("reading the files of the page: %v\n%s", err, out)
	}
	for _, b := range blocks {
		w.place(b, hash)
		if b.language != "sh" {
			continue
		}
		if out, err := w.sh(dir, w.here(b.text, at)); err != nil {
			w.t.Errorf("%s: %v\n%s\n%s", b, err, b.text, out)
		}
	}
}
