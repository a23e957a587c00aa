package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/record"
)

var userCode = regexp.MustCompile(`enter the code +(\S+)`)

// login runs tlslift login, and decides what the person does with the code.
func (w *signInWorld) login(t *testing.T, decide func(code string) error, args ...string) result {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	stderr := create(t, filepath.Join(t.TempDir(), "stderr"))
	environ := w.all()
	environ["HOME"] = w.dir
	done := make(chan int, 1)
	go func() {
		defer write.Close()
		done <- run(append([]string{"login"}, args...), environ, write, stderr)
	}()
	var out strings.Builder
	for in := bufio.NewScanner(read); in.Scan(); {
		out.WriteString(in.Text() + "\n")
		if found := userCode.FindStringSubmatch(in.Text()); found != nil {
			if err := decide(found[1]); err != nil {
				t.Error(err)
			}
		}
	}
	got := result{<-done, out.String(), content(t, stderr)}
	wantNoSecret(t, got.stdout+got.stderr)
	return got
}

// as lets somebody sign in.
func (w *signInWorld) as(who string) func(string) error {
	return func(code string) error { return w.Approve(code, who) }
}

// stored returns the names of what the state directory has of sign-ins.
func (w *signInWorld) stored(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.dir, "state", "signin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A person signs in once, and a tlslift that runs already gets tokens from then on, as
// does a check.
func TestLogin(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t)
	environ := w.all()
	environ["HOME"] = w.dir
	cfg, err := (settings.Source{Environ: environ}).Load()
	if err != nil {
		t.Fatal(err)
	}
	running, err := mailboxes.Open(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close(t.Context())
	got := w.login(t, w.as(jane), strings.ToUpper(invoices))
	if got.code != exitOK || got.stderr != "" {
		t.Fatalf("got %+v", got)
	}
	for _, want := range []string{
		"https://microsoft.com/devicelogin", "sign in as          " + jane, "Ctrl-C", jane + " has signed in for " + invoices,
		"without a restart", "tlslift check mailbox " + invoices, filepath.Join(w.dir, "state", "signin"),
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("want %q in:\n%s", want, got.stdout)
		}
	}
	id := entra.Identity{Mailbox: invoices, User: jane, Delegated: true, Protocol: record.ProtocolSMTP}
	if token, err := running.Token(t.Context(), id); err != nil || !slices.Equal(token.Roles, []string{"SMTP.Send"}) {
		t.Errorf("the running tlslift got %v, error %v", token.Roles, err)
	}
	for _, protocol := range []string{"smtp", "imap", "pop3"} { // consent for the others is there
		if got := w.run(t, "check", "mailbox", invoices, "--protocol", protocol); got.code != exitOK {
			t.Errorf("check with %s: got %+v", protocol, got)
		}
	}
	if got := w.run(t, "check", "mailbox", invoices, "--send"); got.code != exitOK || len(w.mail.Messages()) != 1 {
		t.Errorf("check: got %+v", got)
	}
	w.RevokeLogins(jane)
	got = w.run(t, "check", "mailbox", invoices)
	if got.code != exitFailure || !strings.Contains(got.stdout, "delegated_login_missing: AADSTS50173") {
		t.Errorf("after it was revoked: got %+v", got)
	}
}

// Who has signed in may have another name than the mailbox; that is said.
func TestLoginByAnotherName(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t)
	got := w.login(t, w.as("o.brien@contoso.com"), orders, "--protocol", "imap")
	if got.code != exitOK || !strings.Contains(got.stdout, "user: o.brien@contoso.com") || len(w.stored(t)) != 2 {
		t.Errorf("got %+v, stored %q", got, w.stored(t))
	}
}

// Without the right person nothing is stored.
func TestLoginFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		decide func(*signInWorld, string) error
		want   []string
	}{
		"another person": {func(w *signInWorld, code string) error { return w.Approve(code, scan) }, []string{scan + " has signed in", jane}},
		"declined":       {(*signInWorld).Decline, []string{"delegated_login_missing", "declined"}},
		"expired":        {(*signInWorld).Expire, []string{"delegated_login_missing", "the code has expired"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSignInWorld(t)
			got := w.login(t, func(code string) error { return test.decide(w, code) }, invoices)
			if got.code != exitFailure || len(w.stored(t)) != 0 {
				t.Errorf("got %+v, stored %q", got, w.stored(t))
			}
			for _, want := range test.want {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("want %q in %q", want, got.stderr)
				}
			}
		})
	}
}

// What nobody has to sign in for is a mistake, and Entra is not asked.
func TestLoginRefused(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "name one mailbox"},
		{[]string{scan}, "delegated: true"},
		{[]string{"invoice@contoso.com"}, "did you mean " + invoices + "?"},
		{[]string{invoices, "--protocol", "pop"}, "did you mean pop3?"},
	} {
		got := w.run(t, append([]string{"login"}, test.args...)...)
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, test.want) || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%q: got %+v, want exit code 64 and one line with %q", test.args, got, test.want)
		}
	}
	if n := w.Counts(); n.DeviceCode+n.Token+n.Discovery != 0 {
		t.Errorf("Entra was asked: %+v", n)
	}
	delete(w.environ, "TLSLIFT_SIGNIN_FILE")
	if got := w.run(t, "login", invoices); got.code != exitUsage || !strings.Contains(got.stderr, "TLSLIFT_SIGNIN_FILE is not set") {
		t.Errorf("without a file: got %+v", got)
	}
}

// Ctrl-C ends the waiting: one line, and nothing is stored.
func TestLoginInterrupted(t *testing.T) {
	t.Parallel()
	needSignals(t)
	w := newSignInWorld(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "login", invoices)
	cmd.Env = []string{asProgram + "=1", "HOME=" + w.dir}
	for name, value := range w.all() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(stdout)
	for in.Scan() && !strings.Contains(in.Text(), "Ctrl-C") {
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(stdout)
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	const want = "tlslift: " + invoices + ": interrupted before anybody had signed in; nothing is stored\n"
	if cmd.ProcessState.ExitCode() != exitFailure || stderr.String() != want || len(w.stored(t)) != 0 {
		t.Errorf("%v, stdout %q, stderr %q, stored %q", err, rest, stderr.String(), w.stored(t))
	}
}
