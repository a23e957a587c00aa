package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// wrongPassword is one that a device sends, and that is another one's in real life.
const wrongPassword = "Wro-8080-typed"

// keepsSecrets looks for every secret of the run wherever tlslift writes or shows
// something.
func (l *signInLift) keepsSecrets(t *testing.T) {
	t.Helper()
	places := l.places(t)
	if len(places) < 10 {
		t.Errorf("looked into %d places only", len(places))
	}
	l.searches(t, places)
}

// searches looks for every secret of the run in places, which have names.
func (l *signInLift) searches(t *testing.T, places map[string]string) {
	t.Helper()
	secrets := l.secrets(t)
	if len(secrets) < 14 {
		t.Errorf("looked for %d secrets only", len(secrets))
	}
	for what, secret := range secrets {
		for place, text := range places {
			if form := found(text, secret); form != "" {
				t.Errorf("%s is in %s, as %.12q…", what, place, form)
			}
		}
	}
}

// found returns the form in which a text has a secret; empty if it has not.
func found(text, secret string) string {
	for _, form := range forms(secret) {
		if strings.Contains(text, form) {
			return form
		}
	}
	return ""
}

// A secret is found in whatever form it is written.
func TestSecretsAreFound(t *testing.T) {
	t.Parallel()
	const secret = "Kyo-7261 copier~/+"
	for name, text := range map[string]string{
		"as it is": secret, "in a URL": url.QueryEscape(secret), "in hex": hex.EncodeToString([]byte(secret)),
		"in base64, first":  base64.StdEncoding.EncodeToString([]byte(secret)),
		"in base64, second": base64.StdEncoding.EncodeToString([]byte("a" + secret)),
		"in base64, third":  base64.RawURLEncoding.EncodeToString([]byte("ab" + secret + "c")),
		"in AUTH PLAIN":     base64.StdEncoding.EncodeToString([]byte("\x00copier1\x00" + secret)),
	} {
		if found("x"+text+"y", secret) == "" {
			t.Errorf("not found %s: %s", name, text)
		}
	}
	if form := found("Kyo-7261 copier~/ "+base64.StdEncoding.EncodeToString([]byte("Kyo-7261 copier~")), secret); form != "" {
		t.Errorf("found %q", form)
	}
}

// secrets are those of the run, by what they are.
func (l *signInLift) secrets(t *testing.T) map[string]string {
	t.Helper()
	made, err := hashes()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"the application's secret": applicationSecret, "a password that is relayed": mailPassword, "a wrong password": wrongPassword,
		"the password of " + scannerAccount.login: scannerAccount.password,
	}
	for a, hash := range made {
		all["the password of "+a.login] = a.password
		all["the hash of "+a.login] = hash
		// The salt and the rest are in the last part.
		all["the end of the hash of "+a.login] = hash[strings.LastIndexByte(hash, '$')+1:]
	}
	for i, token := range l.tenant.tokens() {
		all[fmt.Sprintf("token %d", i)] = token
		// What is cut off may still be of use to somebody.
		rest := token[len(token)/2:]
		all[fmt.Sprintf("the middle of token %d", i)] = rest[:min(len(rest), 24)]
		all[fmt.Sprintf("the end of token %d", i)] = token[max(0, len(token)-24):]
	}
	return all
}

// forms are how a secret can be written.
func forms(secret string) []string {
	all := []string{secret, url.QueryEscape(secret), hex.EncodeToString([]byte(secret)), fmt.Sprintf("%X", secret)}
	for before, changed := range []int{0, 2, 3} { // bytes before it, and characters that they have a part in
		p := append(make([]byte, before), secret...)
		p = p[:len(p)/3*3]
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			all = append(all, encoding.EncodeToString(p)[changed:])
		}
	}
	return all
}

// places are what tlslift writes and shows, by name.
func (l *signInLift) places(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"the log": l.log()}
	for _, path := range []string{
		"/metrics", "/", "/clients/127.0.0.1", "/reasons", "/ca", "/api/v1/clients", "/api/v1/clients.csv",
		"/api/v1/clients/127.0.0.1", "/api/v1/connections", "/readyz",
	} {
		all[path] = l.get(t, path)
	}
	for _, command := range []string{"clients", "config"} {
		all["tlslift "+command] = l.ask(t, command)
	}
	for name, text := range files(t, l.stateDir()) {
		all["the state file "+name] = text
	}
	for _, name := range []string{"environ", "cmdline"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", l.cmd.Process.Pid, name))
		if err != nil {
			t.Fatal(err)
		}
		all["its "+name] = string(text)
	}
	return all
}

func (l *tlslift) stateDir() string { return filepath.Dir(filepath.Dir(l.caFile)) }

// files are all files below a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, dir)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// signsIn has a person sign in for a mailbox with the code that tlslift login prints,
// and returns what it printed.
func (l *signInLift) signsIn(t *testing.T, mailbox string) string {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "login", mailbox)
	cmd.Env = l.cmd.Env
	var complaints, printed bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&printed, lines.Text())
		if _, code, is := strings.Cut(lines.Text(), "enter the code"); is {
			if err := l.tenant.Approve(strings.TrimSpace(code), mailbox); err != nil {
				t.Errorf("%q: %v", lines.Text(), err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("tlslift login %s: %v\n%s\n%s", mailbox, err, printed.String(), complaints.String())
	}
	return printed.String() + complaints.String()
}

// Nothing that opens a mailbox gets out of tlslift: not in the log at its finest level,
// not in files, and not in a core dump, which is not made.
func TestSignInSecrets(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "prlimit")
	s, dir := startSignInServers(t), t.TempDir()
	l := s.liftAs(t, []string{"env", "--chdir=" + dir, "prlimit", "--core=unlimited:unlimited"}, signInFile, "GOTRACEBACK=crash")
	printed := map[string]string{"what tlslift login prints": l.signsIn(t, tillMailbox)}
	l.goes(t, "swaks", l.call(t, smtpStartTLS, atTLS10, copierAccount), smtpStartTLS, atTLS10)
	for _, w := range []mailWay{signInWays[3], signInWays[5]} {
		c := l.call(t, w, atTLS10, tillAccount)
		if out, err := curlMail(t, c); err != nil || !strings.Contains(out, "hello from Dovecot") {
			t.Errorf("%v\n%s\n%s", err, end(out), end(l.log()))
		}
		l.record(t, map[string]string{"outcome": "lifted", "mailbox": tillMailbox, "login": tillAccount.login})
	}
	for _, a := range []account{{tillAccount.login, wrongPassword}, {wrongPassword, tillAccount.password}, strangerAccount} {
		if out, err := swaksMail(t, l.call(t, smtpStartTLS, atTLS10, a)); err == nil {
			t.Errorf("signed in as %s:\n%s", a.login, out)
		}
	}
	for name, args := range map[string][]string{
		"check of a mailbox":             {mailUser, "--send"},
		"check of a mailbox of a person": {tillMailbox, "--protocol", "imap"},
		"check, in JSON":                 {tillMailbox, "--protocol", "pop3", "--json"},
	} {
		printed[name] = l.ask(t, append([]string{"check", "mailbox"}, args...)...)
	}
	s.arrived(t, mailUser, 2) // with the one that was there
	l.searches(t, printed)
	if n := len(s.tenant.tokens()); n < 4 {
		t.Errorf("saw %d tokens only", n)
	}
	l.keepsSecrets(t)
	if status := l.crash(t); status.CoreDump() {
		t.Error("wrote a core dump")
	}
	after := files(t, dir)
	after["the log"] = l.log()
	l.searches(t, after)
}

// crash ends tlslift as a bug would.
func (l *signInLift) crash(t *testing.T) syscall.WaitStatus {
	t.Helper()
	var status syscall.WaitStatus
	l.stopOnce.Do(func() {
		if err := l.cmd.Process.Signal(syscall.SIGABRT); err != nil {
			t.Error(err)
		}
		<-l.readToEnd
		_ = l.cmd.Wait() // it is an error
		status, _ = l.cmd.ProcessState.Sys().(syscall.WaitStatus)
	})
	if !status.Signaled() || status.Signal() != syscall.SIGABRT || !strings.Contains(l.log(), "goroutine ") {
		t.Errorf("ended with %v:\n%s", status, end(l.log()))
	}
	return status
}
