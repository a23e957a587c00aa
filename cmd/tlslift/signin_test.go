package main

import (
	"strings"
	"testing"
)

// The flags and the settings reach the steps.
func TestSignInSetup(t *testing.T) {
	t.Parallel()
	const app = "11111111-2222-3333-4444-555555555555"
	for _, test := range []struct {
		environ  map[string]string
		args     []string
		want     []string
		unwanted string
	}{
		{nil, nil, []string{"<TENANT>", "<APPLICATION-ID>", "- address: '<MAILBOX>'", "SMTP.SendAsApp", "entra.microsoft.com"}, "IMAP"},
		{nil, []string{"--tenant", "contoso.com", "--app-id", app, "--mailbox", "a@contoso.com", "--mailbox", "b@contoso.com"},
			[]string{"tenant: 'contoso.com'", "id: '" + app + "'", "- address: 'a@contoso.com'", "- address: 'b@contoso.com'"}, "<MAILBOX>"},
		{nil, []string{"--protocol", "imap,pop3"}, []string{"IMAP.AccessAsApp", "POP.AccessAsApp"}, "SMTP.SendAsApp"},
		{nil, []string{"--protocol", "imap", "--protocol", "smtp"}, []string{"IMAP.AccessAsApp", "SMTP.SendAsApp"}, "POP."},
		{nil, []string{"--delegated"}, []string{"SMTP.Send", "delegated: true", "tlslift login '<MAILBOX>'"}, "app-secret"},
		{nil, []string{"--hve", "--mailbox", "a@contoso.com"}, []string{"Mail.Send", "hve: true", "Add-HVEAppAccess"}, "New-ServicePrincipal "},
		{map[string]string{"TLSLIFT_M365_INSTANCE": "china"}, nil,
			[]string{"https://portal.azure.cn", "-Environment China", "-ExchangeEnvironmentName O365China"}, "entra.microsoft.com"},
	} {
		got := runWith(t, test.environ, append([]string{"signin", "setup"}, test.args...)...)
		if got.code != exitOK || got.stderr != "" {
			t.Errorf("%q: got %+v", test.args, got)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(got.stdout, want) {
				t.Errorf("%q: want %q in:\n%s", test.args, want, got.stdout)
			}
		}
		if strings.Contains(got.stdout, test.unwanted) && test.unwanted != "" {
			t.Errorf("%q: %q is in:\n%s", test.args, test.unwanted, got.stdout)
		}
	}
}

// What would have another meaning in a command is refused in one line, and nothing
// is printed.
func TestSignInSetupRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"setup", "--tenant", "contoso.com'; Remove-Item C:\\"}, "is not a tenant"},
		{[]string{"setup", "--tenant", "contoso.com\nid: x"}, "is not a tenant"},
		{[]string{"setup", "--app-id", "$(id)"}, "is not an application id"},
		{[]string{"setup", "--mailbox", "a@contoso.com", "--mailbox", "b@contoso.com,c@contoso.com"}, "is not the address of a mailbox"},
		{[]string{"setup", "--mailbox", "a\"b@contoso.com"}, "is not the address of a mailbox"},
		{[]string{"setup", "--mailbox", "\x1b[2J@contoso.com"}, "is not the address of a mailbox"},
		{[]string{"setup", "--protocol", "ftp"}, "use smtp, imap or pop3"},
		{[]string{"setup", "--hve", "--mailbox", "a@contoso.com", "--protocol", "imap"}, "can only send"},
		{[]string{"setup", "--hve", "--protocol", "imap"}, "can only send"},
		{[]string{"setup", "scan@contoso.com"}, "tlslift signin setup takes no arguments, and \"scan@contoso.com\" is one"},
		{[]string{"stup"}, `"stup" is not a command; did you mean setup?`},
	} {
		got := runWith(t, nil, append([]string{"signin"}, test.args...)...)
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, test.want) || strings.Count(got.stderr, "\n") != 1 ||
			strings.ContainsRune(got.stderr, '\x1b') {
			t.Errorf("%q: got %+v, want exit code 64 and one line with %q", test.args, got, test.want)
		}
	}
	got := runWith(t, map[string]string{"TLSLIFT_LISTN": "x"}, "signin", "setup")
	if got.code != exitUsage || !strings.Contains(got.stderr, "TLSLIFT_LISTEN") {
		t.Errorf("with a wrong setting: got %+v", got)
	}
}

func TestSignInCompletion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, want string }{
		{"setup --protocol ", "smtp\nimap\npop3\n:4\n"},
		{"setup --tenant ", ":4\n"},
		{"setup --app-id ", ":4\n"},
		{"setup --mailbox ", ":4\n"},
		{"s", "setup\t"},
		{"setup --del", "--delegated\t"},
	} {
		args := append([]string{"__complete", "signin"}, strings.Split(test.args, " ")...)
		if got := runWith(t, nil, args...); !strings.HasPrefix(got.stdout, test.want) {
			t.Errorf("%q: got %q, want %q", test.args, got.stdout, test.want)
		}
	}
	got := runWith(t, nil, "signin")
	if got.code != exitOK || !strings.Contains(got.stdout, "setup ") {
		t.Errorf("got %+v", got)
	}
}
