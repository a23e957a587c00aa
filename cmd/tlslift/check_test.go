package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailcheck"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

var chainNames = []string{
	"sign-in file", "mailbox", "Entra", "clock", "token", "permission", "destination", "TLS", "XOAUTH2", "sign-in",
}

// A check that finds all well names each step, and sends a mail only when it should.
func TestCheckMailbox(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t)
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{scan}, []string{"smtp.office365.com:587", "SMTP.SendAsApp", "TLS 1.3", "login.microsoftonline.com:443"}},
		{[]string{strings.ToUpper(scan), "--protocol", "imap"}, []string{"outlook.office365.com:993", "IMAP.AccessAsApp"}},
		{[]string{scan, "--protocol", "pop3"}, []string{"outlook.office365.com:995", "POP.AccessAsApp"}},
		{[]string{"bulk@contoso.com"}, []string{"smtp.hve.mx.microsoft:587", "the application, High\n"}},
		{[]string{scan, "--send"}, []string{"Message-ID"}},
	} {
		got := w.run(t, append([]string{"check", "mailbox"}, test.args...)...)
		if got.code != exitOK || got.stderr != "" || !strings.Contains(got.stdout, "\nAll is well") {
			t.Errorf("%q: got %+v", test.args, got)
		}
		for _, want := range append(slices.Clone(chainNames), test.want...) {
			if !strings.Contains(got.stdout, want) {
				t.Errorf("%q: want %q in:\n%s", test.args, want, got.stdout)
			}
		}
	}
	if sent := w.mail.Messages(); len(sent) != 1 || sent[0].From != scan || !slices.Equal(sent[0].To, []string{scan}) ||
		sent[0].Login != scan || !strings.Contains(string(sent[0].Data), "Subject: Test mail from tlslift\r\n") {
		t.Errorf("sent %+v", sent)
	}
}

// A checkCase is a chain that breaks at a step.
type checkCase struct {
	change func(*testing.T, *signInWorld)
	args   []string
	step   string
	reason record.Reason
	code   int
	want   []string // in what the step says, its cause or its remedy
	goesOn bool     // the steps after it are tried
}

func trouble(of fakeentra.Trouble) func(*testing.T, *signInWorld) {
	return func(_ *testing.T, w *signInWorld) { w.SetTrouble(of) }
}

func scripted(s script) func(*testing.T, *signInWorld) {
	return func(t *testing.T, w *signInWorld) { s.serve(t, w) }
}

func untrusted(t *testing.T, w *signInWorld) *fakem365.Service {
	t.Helper()
	other, err := fakem365.New(fakem365.Options{RootKey: testenv.RSAKey(t, 2), LeafKey: testenv.RSAKey(t, 3)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	return other
}

func checkCases() map[string]checkCase {
	return map[string]checkCase{
		"no file": {
			change: func(_ *testing.T, w *signInWorld) { delete(w.environ, "TLSLIFT_SIGNIN_FILE") },
			step:   "sign-in file", code: exitUsage, want: []string{"TLSLIFT_SIGNIN_FILE is not set", "--env-file"},
		},
		"a file that is not there": {
			change: func(t *testing.T, w *signInWorld) {
				if err := os.Remove(filepath.Join(w.dir, "signin.yaml")); err != nil {
					t.Fatal(err)
				}
			},
			step: "sign-in file", code: exitUsage, want: []string{"signin.yaml", "no such file"},
		},
		"a mistake in the file": {
			change: func(t *testing.T, w *signInWorld) { w.write(t, "signin.yaml", signInYAML+"mailbox: []\n") },
			step:   "sign-in file", code: exitUsage, want: []string{"line 12, column 1"},
		},
		"unknown mailbox": {
			args: []string{"scann@contoso.com"},
			step: "mailbox", code: exitUsage, want: []string{"did you mean " + scan + "?"},
		},
		"a mailbox like no other": {
			args: []string{"x@example.net"},
			step: "mailbox", code: exitUsage, want: []string{"it has " + scan + ", " + invoices},
		},
		"HVE cannot be read": {
			args: []string{"bulk@contoso.com", "--protocol", "imap"},
			step: "mailbox", code: exitUsage, want: []string{"can only send"},
		},
		"Entra unreachable": {
			change: func(t *testing.T, w *signInWorld) { w.connectTo[fakeentra.Host+":443"] = testenv.RefusingAddress(t) },
			step:   "Entra", reason: record.ReasonEntraUnreachable, want: []string{"login.microsoftonline.com:443", "connection refused"},
		},
		"Entra with another's certificate": {
			change: func(t *testing.T, w *signInWorld) {
				server, err := w.Serve(untrusted(t, w), fakem365.TLSOptions{Names: []string{fakeentra.Host}})
				if err != nil {
					t.Fatal(err)
				}
				w.connectTo[fakeentra.Host+":443"] = server.Addr()
			},
			step: "Entra", reason: record.ReasonUpstreamCertUntrusted, want: []string{"login.microsoftonline.com:443"},
		},
		"clock behind": {
			change: trouble(fakeentra.Trouble{Skew: 10 * time.Minute}),
			step:   "clock", reason: record.ReasonClockSkew, want: []string{"10m0s behind", "NTP"}, goesOn: true,
		},
		"clock ahead": {
			change: trouble(fakeentra.Trouble{Skew: -6 * time.Minute}),
			step:   "clock", reason: record.ReasonClockSkew, want: []string{"6m0s ahead"}, goesOn: true,
		},
		"secret expired": {
			change: func(_ *testing.T, w *signInWorld) {
				w.Change(appID, func(a *fakeentra.Application) { a.SecretExpired = true })
			},
			step: "token", reason: record.ReasonAppSecretExpired, want: []string{"AADSTS7000222", "Certificates & secrets"},
		},
		"secret wrong": {
			change: func(t *testing.T, w *signInWorld) { w.write(t, "app-secret", "another\n") },
			step:   "token", reason: record.ReasonAppCredentialRefused, want: []string{"AADSTS7000215"},
		},
		"tenant unknown": {
			change: func(t *testing.T, w *signInWorld) {
				w.write(t, "signin.yaml", strings.Replace(signInYAML, "contoso.onmicrosoft.com", "fabrikam.onmicrosoft.com", 1))
			},
			step: "token", reason: record.ReasonTenantUnknown, want: []string{"Tenant ID"},
		},
		"throttled": {
			change: trouble(fakeentra.Trouble{Status: 429, RetryAfter: "60"}),
			step:   "token", reason: record.ReasonEntraThrottled, want: []string{"429"},
		},
		"consent missing": {
			change: func(_ *testing.T, w *signInWorld) {
				w.Change(appID, func(a *fakeentra.Application) { a.Roles = []string{"IMAP.AccessAsApp"} })
			},
			step: "token", reason: record.ReasonConsentMissing, want: []string{"does not have SMTP.SendAsApp", "Grant admin consent"},
		},
		"conditional access": {
			change: trouble(fakeentra.Trouble{Code: 53003}),
			step:   "token", reason: record.ReasonConditionalAccess, want: []string{"AADSTS53003"},
		},
		"nobody has signed in": {
			args: []string{invoices},
			step: "token", reason: record.ReasonDelegatedLoginMissing, want: []string{"tlslift login", jane},
		},
		"destination unreachable": {
			change: func(t *testing.T, w *signInWorld) { w.connectTo["smtp.office365.com:587"] = testenv.RefusingAddress(t) },
			step:   "destination", reason: record.ReasonUpstreamRefused, want: []string{"smtp.office365.com:587"},
		},
		"destination that refuses": {
			change: scripted(script{"": "554 5.7.1 not you"}),
			step:   "destination", reason: record.ReasonUpstreamRefusedSession, want: []string{"not you"},
		},
		"destination that speaks something else": {
			change: scripted(script{"": "SSH-2.0-OpenSSH"}),
			step:   "destination", reason: record.ReasonUpstreamReplyMalformed,
		},
		"destination that never ends a line": {
			change: scripted(script{"": strings.Repeat("2", 20000)}),
			step:   "destination", reason: record.ReasonUpstreamReplyMalformed, want: []string{"too long"},
		},
		"destination that never ends a reply": {
			change: scripted(script{"": strings.Repeat("220-more\r\n", 300)}),
			step:   "destination", reason: record.ReasonUpstreamReplyMalformed, want: []string{"too many lines"},
		},
		"no STARTTLS": {
			change: scripted(script{"STARTTLS": "502 5.5.1 no"}),
			step:   "TLS", reason: record.ReasonUpstreamNoStartTLS, want: []string{"502 5.5.1 no"},
		},
		"a reply to nothing": {
			change: scripted(script{"": "220 ready\r\n250 AUTH XOAUTH2"}),
			step:   "TLS", reason: record.ReasonUpstreamReplyInjected, want: []string{"without being asked"},
		},
		"a reply before TLS": {
			change: scripted(script{"STARTTLS": "220 go\r\n250 AUTH XOAUTH2"}),
			step:   "TLS", reason: record.ReasonUpstreamReplyInjected,
		},
		"certificate untrusted": {
			change: func(t *testing.T, w *signInWorld) {
				server, err := untrusted(t, w).ServeSMTP(fakem365.MailOptions{})
				if err != nil {
					t.Fatal(err)
				}
				w.connectTo["smtp.office365.com:587"] = server.Addr()
			},
			step: "TLS", reason: record.ReasonUpstreamCertUntrusted, want: []string{"TLSLIFT_UPSTREAM_CA_FILE"},
		},
		"certificate of another": {
			change: func(t *testing.T, w *signInWorld) {
				server, err := w.fake.ServeSMTP(fakem365.MailOptions{TLS: fakem365.TLSOptions{Names: []string{"mail.example.com"}}})
				if err != nil {
					t.Fatal(err)
				}
				w.connectTo["smtp.office365.com:587"] = server.Addr()
			},
			step: "TLS", reason: record.ReasonUpstreamCertName,
		},
		"no XOAUTH2": {
			change: scripted(script{"EHLO": "250-fake\r\n250 AUTH LOGIN"}),
			step:   "XOAUTH2", reason: record.ReasonUpstreamNoXOAUTH2, want: []string{"port 25"},
		},
		"SMTP AUTH off": {
			args: []string{hidden},
			step: "sign-in", reason: record.ReasonSMTPAuthDisabled, want: []string{"Set-CASMailbox"},
		},
		"service principal unknown": {
			args: []string{foreign},
			step: "sign-in", reason: record.ReasonMailboxRefused,
			want: []string{"535 5.7.3", "Get-ServicePrincipal", "enterprise application", foreign},
		},
		"service principal unknown, IMAP": {
			args: []string{foreign, "--protocol", "imap"},
			step: "sign-in", reason: record.ReasonMailboxRefused, want: []string{"401", "ImapEnabled"}, // the challenge
		},
		"service principal unknown, POP3": {
			args: []string{foreign, "--protocol", "pop3"},
			step: "sign-in", reason: record.ReasonMailboxRefused, want: []string{"401", "PopEnabled"},
		},
		"not now": {
			change: scripted(script{"AUTH": "454 4.7.0 Temporary authentication failure"}),
			step:   "sign-in", reason: record.ReasonSMTPRejected, want: []string{"454 4.7.0"},
		},
		"XOAUTH2 is offered and not known": {
			change: scripted(script{"AUTH": "504 5.7.4 Unrecognized authentication type"}),
			step:   "sign-in", reason: record.ReasonUpstreamNoXOAUTH2,
		},
		"a server that repeats the token": {
			change: scripted(script{"AUTH": "500 5.5.1 unknown: %s"}),
			step:   "sign-in", reason: record.ReasonMailboxRefused, want: []string{"unknown: AUTH XOAUTH2 [token]"},
		},
		"a server that goes away": {
			change: scripted(script{"AUTH": ""}),
			step:   "sign-in", reason: record.ReasonUpstreamClosed,
		},
		"a sign-in without an end": {
			change: scripted(script{"AUTH": "334 e30=\r\n334 e30=\r\n334 e30=\r\n334 e30="}),
			step:   "sign-in", reason: record.ReasonUpstreamReplyMalformed,
		},
		"SendAsDenied": {
			change: scripted(script{".": "550 5.7.60 SMTP; Client does not have permissions to send as this sender"}),
			args:   []string{scan, "--send"},
			step:   "mail", reason: record.ReasonSMTPSendAsDenied, want: []string{"5.7.60"},
		},
		"SendAsDenied in words": {
			change: scripted(script{".": "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException"}),
			args:   []string{scan, "--send"},
			step:   "mail", reason: record.ReasonSMTPSendAsDenied,
		},
		"sender blocked": {
			change: scripted(script{"MAIL": "550 5.1.8 Access denied, bad outbound sender"}),
			args:   []string{scan, "--send"},
			step:   "mail", reason: record.ReasonSMTPSenderBlocked, want: []string{"to MAIL FROM"},
		},
		"a refusal without a name": {
			change: scripted(script{"RCPT": "550 5.9.9 no"}),
			args:   []string{scan, "--send"},
			step:   "mail", reason: record.ReasonSMTPRejected, want: []string{"to RCPT TO"},
		},
	}
}

// Every step that can fail says what is wrong, why and what to do, and ends the check.
func TestCheckMailboxFails(t *testing.T) {
	t.Parallel()
	for name, test := range checkCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSignInWorld(t)
			if test.change != nil {
				test.change(t, w)
			}
			if test.args == nil {
				test.args = []string{scan}
			}
			got := w.run(t, append([]string{"check", "mailbox", "--json"}, test.args...)...)
			var r mailcheck.Report
			if err := json.Unmarshal([]byte(got.stdout), &r); err != nil {
				t.Fatalf("%v in %+v", err, got)
			}
			if want := max(test.code, exitFailure); got.code != want || r.OK || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("exit code %d, want %d; stderr %q", got.code, want, got.stderr)
			}
			test.wantStep(t, &r)
			printed := w.run(t, append([]string{"check", "mailbox"}, test.args...)...)
			if printed.code != got.code || !strings.Contains(printed.stdout, "\nFAILED  "+test.step) &&
				!strings.HasPrefix(printed.stdout, "FAILED  "+test.step) || strings.Contains(printed.stdout, "All is well") {
				t.Errorf("got %+v", printed)
			}
		})
	}
}

// wantStep wants one step to have failed, and the others as far as they are tried to be well.
func (c checkCase) wantStep(t *testing.T, r *mailcheck.Report) {
	t.Helper()
	i := slices.IndexFunc(r.Steps, func(s mailcheck.Step) bool { return !s.OK })
	if i < 0 || r.Steps[i].Name != c.step || r.Steps[i].Reason != c.reason {
		t.Fatalf("the steps are %+v", r.Steps)
	}
	if isLast := i == len(r.Steps)-1; isLast == c.goesOn {
		t.Errorf("after the step that failed there are %d", len(r.Steps)-1-i)
	}
	s := r.Steps[i]
	if (s.Cause == "" || s.Remedy == "") && c.reason != "" {
		t.Errorf("the step has no cause or no remedy: %+v", s)
	}
	for _, want := range c.want {
		if !strings.Contains(s.Says+" "+s.Cause+" "+s.Remedy, want) {
			t.Errorf("want %q in %+v", want, s)
		}
	}
}

func TestCheckMailboxRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"mailbox"}, "name one mailbox"},
		{[]string{"mailbox", "a@contoso.com", "b@contoso.com"}, "name one mailbox"},
		{[]string{"mailbox", "a@contoso.com", "--protocol", "imp"}, "did you mean imap?"},
		{[]string{"mailbox", "a@contoso.com", "--protocol", "ftp-over"}, "use smtp, imap or pop3"},
		{[]string{"mailbox", "a@contoso.com", "--protocol", "imap", "--send"}, "--send needs --protocol smtp"},
		{[]string{"malbox"}, "did you mean mailbox?"},
	} {
		got := runWith(t, nil, append([]string{"check"}, test.args...)...)
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, test.want) || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%q: got %+v, want exit code 64 and one line with %q", test.args, got, test.want)
		}
	}
}

func TestMailboxCompletion(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t)
	for args, want := range map[string]string{
		"check mailbox ":                   strings.Join([]string{scan, invoices, orders, hidden, foreign, "bulk@contoso.com"}, "\n") + "\n:4\n",
		"check mailbox " + scan + " ":      ":4\n",
		"login ":                           invoices + "\n" + orders + "\n:4\n",
		"check mailbox x --protocol ":      "smtp\nimap\npop3\n:4\n",
		"check mailbox --env-file /no/x s": ":4\n",
	} {
		if got := w.run(t, append([]string{"__complete"}, strings.Split(args, " ")...)...); got.stdout != want {
			t.Errorf("%q: got %q, want %q", args, got.stdout, want)
		}
	}
}

// Ctrl-C ends a check at once, whatever it waits for.
func TestCheckMailboxInterrupted(t *testing.T) {
	t.Parallel()
	for _, silent := range []string{"login.microsoftonline.com:443", "smtp.office365.com:587"} {
		w := newSignInWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		w.connectTo[silent] = testenv.Serve(t, func(conn net.Conn) {
			cancel()
			_, _ = io.Copy(io.Discard, conn) // it says nothing
		}).String()
		o := mailcheck.Options{
			Load:    settings.Source{Environ: w.all()}.Load,
			Log:     func(*settings.Config) *slog.Logger { return slog.New(slog.DiscardHandler) },
			Mailbox: scan, Protocol: record.ProtocolSMTP,
		}
		var out strings.Builder
		err := o.Run(ctx, mailcheck.Printer{Out: &out})
		if err == nil || mailcheck.IsUsage(err) || !strings.HasSuffix(out.String(), "interrupted\n") {
			t.Errorf("%s: %v after:\n%s", silent, err, out.String())
		}
	}
}

// A check goes the way that tlslift goes: through the egress proxy, to Entra as well.
func TestCheckMailboxThroughProxy(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t)
	var mu sync.Mutex
	asked := map[string]bool{}
	proxy := testenv.Serve(t, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		mu.Lock()
		asked[request.Host] = true
		mu.Unlock()
		to, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", request.Host)
		if err != nil {
			return
		}
		defer to.Close()
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			return
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(conn, to) // ends with the other direction
			_ = conn.Close()
		}()
		_, _ = io.Copy(to, in)
		_ = to.Close()
		<-done
	})
	w.environ["TLSLIFT_UPSTREAM_PROXY"] = "http://user:hunter2@" + proxy.String()
	got := w.run(t, "check", "mailbox", scan, "--send")
	words := strings.Join(strings.Fields(got.stdout), " ")
	if got.code != exitOK || strings.Count(words, "through the proxy "+proxy.String()) != 2 || strings.Contains(words, "hunter2") {
		t.Errorf("got %+v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, destination := range []string{"login.microsoftonline.com:443", "smtp.office365.com:587"} {
		if !asked[w.connectTo[destination]] {
			t.Errorf("%s was not asked for: %v", destination, asked)
		}
	}
}
