package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/check"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// checkReport runs all checks, and returns those that are not ok.
func (w *signInWorld) checkReport(t *testing.T, wantCode int, args ...string) (wrong []check.Result) {
	t.Helper()
	got := w.run(t, append([]string{"check", "--json"}, args...)...)
	var report check.Report
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != wantCode || got.stderr != "" {
		t.Fatalf("%v: got %+v", err, got)
	}
	for _, r := range report.Checks {
		if r.Status != check.OK {
			wrong = append(wrong, r)
		}
	}
	return wrong
}

// A newWorld of the sign-in has no web server; the checks need one for nothing but the time.
func newCheckWorld(t *testing.T) *signInWorld {
	t.Helper()
	w := newSignInWorld(t)
	w.environ["TLSLIFT_LISTEN"], w.environ["TLSLIFT_ADMIN_LISTEN"] = "smtp://127.0.0.1:0", ""
	w.write(t, "signin.yaml", strings.Join(strings.SplitAfter(signInYAML, "\n")[:7], "")) // of the application, and delegated
	return w
}

// What the sign-in needs is checked as tlslift check mailbox does it, without a secret.
func TestCheckSignIn(t *testing.T) {
	t.Parallel()
	of := func(wrong []check.Result, name check.Name) (found []check.Result) {
		for _, r := range wrong {
			if r.Check == name {
				found = append(found, r)
			}
		}
		return found
	}
	for name, tt := range map[string]struct {
		change func(*testing.T, *signInWorld)
		code   int
		want   check.Result
	}{
		"all is well": {func(*testing.T, *signInWorld) {}, exitOK, check.Result{}},
		"refused": {
			func(t *testing.T, w *signInWorld) {
				w.write(t, "signin.yaml", strings.Replace(signInYAML, scan, "other@contoso.com", 1))
			}, exitFailure, check.Result{Reason: record.ReasonMailboxRefused, Subject: "other@contoso.com", Says: "sign-in: "},
		},
		"a wrong secret": {
			func(t *testing.T, w *signInWorld) { w.write(t, "app-secret", "wrong\n") }, exitFailure,
			check.Result{Reason: record.ReasonAppCredentialRefused, Subject: scan, Says: "token: "},
		},
		"a clock": {
			trouble(fakeentra.Trouble{Skew: 10 * 60e9}), exitFailure,
			check.Result{Reason: record.ReasonClockSkew, Subject: scan, Says: "clock: "},
		},
		"a mail server without it": {
			func(t *testing.T, w *signInWorld) {
				script{"EHLO": "250-x\r\n250 STARTTLS"}.serve(t, w)
			}, exitFailure, check.Result{Reason: record.ReasonUpstreamNoXOAUTH2, Subject: scan, Says: "XOAUTH2: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCheckWorld(t)
			tt.change(t, w)
			found := of(w.checkReport(t, tt.code), check.SignIn)
			ok := len(found) > 0
			for _, r := range found {
				switch {
				case r.Subject == tt.want.Subject:
					ok = ok && r.Status == check.Failed && r.Reason == tt.want.Reason && strings.HasPrefix(r.Says, tt.want.Says) && r.Remedy != ""
				case tt.code == exitOK:
					ok = ok && r.Status == check.Skipped && strings.Contains(r.Says, "tlslift check mailbox "+r.Subject)
				}
			}
			if !ok {
				t.Errorf("got %+v", found)
			}
		})
	}
}

// Warnings fail only where they should; a mistake of the command line is one.
func TestCheckExitCodes(t *testing.T) {
	t.Parallel()
	w := newCheckWorld(t)
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"check"}, exitOK, "No check failed; "}, // there is no CA yet
		{[]string{"check", "--strict"}, exitFailure, "remedy"},
		{[]string{"check", "--timeout", "0s"}, exitUsage, "--timeout"},
		{[]string{"check", "mailbx"}, exitUsage, "did you mean mailbox?"},
		{[]string{"check", "--env-file", "/no/such.env"}, exitFailure, "/no/such.env"},
	} {
		got := w.run(t, tt.args...)
		if got.code != tt.code || !strings.Contains(got.stdout+got.stderr, tt.want) || strings.Contains(got.stdout, "\x1b") {
			t.Errorf("%q: got %+v", tt.args, got)
		}
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"check", "client"}, exitUsage, "name one client"},
		{[]string{"check", "client", "nobody"}, exitFailure, "TLSLIFT_ADMIN_LISTEN"},
		{[]string{"check", "client", "10.1.2.4", "--json"}, exitOK, `"tlslift signs in for it, to ` + invoices},
	} {
		if got := w.run(t, tt.args...); got.code != tt.code || !strings.Contains(got.stdout+got.stderr, tt.want) {
			t.Errorf("%q: got %+v", tt.args, got)
		}
	}
	server, err := w.fake.ServeHTTPS(fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.environ["TLSLIFT_LISTEN"] = "proxy://" + testenv.Serve(t, func(net.Conn) {}).String()
	w.connectTo["outlook.office365.com:443"] = server.Addr()
	if got := w.run(t, "check"); got.code != exitFailure || !strings.Contains(got.stdout, "another program listens there") {
		t.Errorf("got %+v", got)
	}
}
