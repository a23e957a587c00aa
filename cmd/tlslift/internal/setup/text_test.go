package setup

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/record"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

const (
	tenant = "contoso.onmicrosoft.com"
	appID  = "11111111-2222-3333-4444-555555555555"
)

// oddAddress is an address in which quotes, variables and commands would have a
// meaning if they were not quoted.
const oddAddress = "o'brien$id`#{x}&|*@contoso.com"

// textCases are the steps that are in testdata.
var textCases = []struct {
	name    string
	options Options
}{
	{"nothing", Options{}},
	{"application", Options{Tenant: tenant, AppID: appID, Mailboxes: []Mailbox{{Address: "scan@contoso.com"}, {Address: "fax@contoso.com"}}}},
	{"delegated", Options{Tenant: tenant, AppID: appID, Mailboxes: []Mailbox{{Address: "scan@contoso.com", Delegated: true}}}},
	{"hve", Options{Tenant: tenant, Mailboxes: []Mailbox{{Address: "bulk@contoso.com", HVE: true}}}},
	{"all", Options{
		Tenant: "aaaaaaaa-bbbb-CCCC-dddd-eeeeeeeeeeee", AppID: appID, Instance: m365.GCCHigh,
		Protocols: []record.Protocol{record.ProtocolPOP3, record.ProtocolSMTP, record.ProtocolIMAP, record.ProtocolSMTP},
		Mailboxes: []Mailbox{
			{Address: "o'brien@contoso.com"},
			{Address: "team@contoso.com", User: "jane@contoso.com", Delegated: true},
		},
	}},
	{"mixed-hve", Options{Tenant: tenant, AppID: appID, Mailboxes: []Mailbox{
		{Address: "scan@contoso.com"}, {Address: "bulk@contoso.com", HVE: true}, {Address: "more@contoso.com", HVE: true, Delegated: true},
	}}},
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, test := range textCases {
		if err := test.options.Check(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		got := Text(test.options)
		wantFile(t, filepath.Join("testdata", test.name+".txt"), got)
		for line := range strings.Lines(got) {
			line = strings.TrimSuffix(line, "\n")
			if strings.TrimRight(line, " \t") != line {
				t.Errorf("%s: blanks at the end of %q", test.name, line)
			}
			if utf8.RuneCountInString(line) > width {
				t.Errorf("%s: longer than %d columns: %q", test.name, width, line)
			}
		}
	}
}

// What is given has no placeholder, and what is not given has one everywhere.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	for _, test := range textCases {
		got := Text(test.options)
		for placeholder, known := range map[string]bool{
			noTenant: test.options.Tenant != "", noAppID: test.options.AppID != "", noMailbox: len(test.options.Mailboxes) > 0,
		} {
			if strings.Contains(got, placeholder) == known {
				t.Errorf("%s: %s is there: %v", test.name, placeholder, !known)
			}
		}
	}
}

// Only what the mailboxes need is asked for.
func TestPermissions(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`\b(SMTP|IMAP|POP|Mail)\.[A-Z][A-Za-z]+(\.All)?\b`)
	imap := []record.Protocol{record.ProtocolIMAP}
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{}, "SMTP.SendAsApp"},
		{Options{Protocols: imap}, "IMAP.AccessAsApp"},
		{Options{Protocols: Protocols}, "IMAP.AccessAsApp POP.AccessAsApp SMTP.SendAsApp"},
		{Options{Mailboxes: []Mailbox{{Delegated: true}}}, "SMTP.Send"},
		{Options{Mailboxes: []Mailbox{{Delegated: true}}, Protocols: imap}, "IMAP.AccessAsUser.All"},
		{Options{Mailboxes: []Mailbox{{HVE: true}}}, "Mail.Send"},
		{Options{Mailboxes: []Mailbox{{HVE: true, Delegated: true}}}, "Mail.Send"},
		{Options{Mailboxes: []Mailbox{{}, {Delegated: true}, {HVE: true}}}, "SMTP.SendAsApp Mail.Send SMTP.Send"},
	} {
		found := map[string]bool{}
		for _, n := range name.FindAllString(Text(test.options), -1) {
			found[n] = true
		}
		want := map[string]bool{}
		for n := range strings.FieldsSeq(test.want) {
			want[n] = true
		}
		if !reflect.DeepEqual(found, want) {
			t.Errorf("%+v: got %v, want %v", test.options, found, want)
		}
	}
}

// signinFileLines returns the lines of the sign-in file among the steps.
func signinFileLines(t *testing.T, text string) []byte {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n    tenant: ")
	lines, _, _ := strings.Cut(rest, "\n\n")
	if !found {
		t.Fatalf("no sign-in file in:\n%s", text)
	}
	return []byte(strings.ReplaceAll("tenant: "+lines+"\n", "\n    ", "\n"))
}

// The lines of the sign-in file are YAML that has the keys of that file, and gives
// the values back.
func TestFile(t *testing.T) {
	t.Parallel()
	type login struct{ Name, Password string }
	type mailbox struct {
		Address, User  string
		Delegated, HVE bool
		Logins         []login
	}
	type document struct {
		Tenant      string
		Application struct {
			ID         string
			SecretFile string `yaml:"secret_file"`
		}
		Mailboxes []mailbox
	}
	for _, test := range append(textCases, struct {
		name    string
		options Options
	}{"odd", Options{Tenant: "1.2e5.com", AppID: appID, Mailboxes: []Mailbox{{Address: oddAddress}}}}) {
		var got document
		decoder := yaml.NewDecoder(bytes.NewReader(signinFileLines(t, Text(test.options))))
		decoder.KnownFields(true)
		if err := decoder.Decode(&got); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		want := test.options.withPlaceholders()
		if got.Tenant != want.Tenant || got.Application.ID != want.AppID || len(got.Mailboxes) != len(want.Mailboxes) {
			t.Errorf("%s: got %+v, want %+v", test.name, got, want)
			continue
		}
		bySecret := false
		for i, m := range want.Mailboxes {
			g := got.Mailboxes[i]
			if (Mailbox{g.Address, g.User, g.Delegated, g.HVE}) != m || len(g.Logins) != 1 || g.Logins[0].Name == "" {
				t.Errorf("%s: got %+v, want %+v", test.name, g, m)
			}
			bySecret = bySecret || !m.Delegated
		}
		if (got.Application.SecretFile != "") != bySecret {
			t.Errorf("%s: got the secret file %q", test.name, got.Application.SecretFile)
		}
	}
}

// A shell gets back every word as it was.
func TestShell(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"scan@contoso.com", oddAddress, noMailbox, "", "~root", "-n", "a b", `\`} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf '[%s]' "+shell(word)).Output()
		if err != nil || string(out) != "["+word+"]" {
			t.Errorf("%q is written %s, and read as %q: %v", word, shell(word), out, err)
		}
	}
}

func TestQuoted(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"scan@contoso.com": "'scan@contoso.com'",
		"o'brien$(id)`n#":  "'o''brien$(id)`n#'",
		"''":               "''''''",
	} {
		if got := quoted(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	// Whatever the value, it ends in the line in which it began.
	got := Text(Options{Mailboxes: []Mailbox{{Address: oddAddress}}})
	for line := range strings.Lines(got) {
		if !strings.Contains(line, "sudo ") && strings.Count(line, "'")%2 != 0 {
			t.Errorf("a quote is open in %q", line)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	mailbox := func(address string) Options { return Options{Mailboxes: []Mailbox{{Address: address}}} }
	const isTenant, isApp, isMailbox = "Tenant ID", "Application (client) ID", "for example scan@contoso.com"
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{Tenant: "contoso"}, isTenant},
		{Options{Tenant: "contoso.com'; Remove-Item C:\\"}, isTenant},
		{Options{Tenant: "contoso.com\ntenant: other.com"}, isTenant},
		{Options{Tenant: "contoso.com\u2019"}, isTenant},
		{Options{Tenant: "https://contoso.com"}, isTenant},
		{Options{Tenant: "\x1b]0;x\a.com"}, isTenant},
		{Options{Tenant: strings.Repeat("a", 300) + ".com"}, isTenant},
		{Options{AppID: "tlslift"}, isApp},
		{Options{AppID: appID + "'"}, isApp},
		{Options{AppID: appID + "\n"}, isApp},
		{Options{AppID: "$(id)"}, isApp},
		{mailbox("scan"), isMailbox},
		{mailbox("@contoso.com"), isMailbox},
		{mailbox("scan@contoso"), isMailbox},
		{mailbox("scan@a@contoso.com"), isMailbox},
		{mailbox("sc an@contoso.com"), isMailbox},
		{mailbox(`"scan"@contoso.com`), isMailbox},
		{mailbox("scan@contoso.com\nRemove-Mailbox x"), isMailbox},
		{mailbox("scan\u2018@contoso.com"), isMailbox}, // a quotation mark in PowerShell, too
		{mailbox("scan@contoso.com;id"), isMailbox},
		{mailbox("scan\x00@contoso.com"), isMailbox},
		{mailbox("scan@contoso\u212a.com"), isMailbox}, // a Kelvin sign, which lower case makes a k
		{Options{Mailboxes: []Mailbox{{Address: "scan@contoso.com", User: "jane'", Delegated: true}}}, isMailbox},
		{Options{Mailboxes: []Mailbox{{Address: "scan@contoso.com"}, {Address: "Scan@Contoso.com"}}}, "given twice"},
		{Options{Protocols: []record.Protocol{"ftp"}}, "use smtp, imap or pop3"},
		{Options{Protocols: []record.Protocol{"SMTP'"}}, "use smtp, imap or pop3"},
		{Options{Protocols: []record.Protocol{record.ProtocolTLS}}, "use smtp, imap or pop3"},
		{Options{Protocols: Protocols, Mailboxes: []Mailbox{{HVE: true}}}, "can only send"},
	} {
		err := test.options.Check()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.options, err, test.want)
			continue
		}
		if text := err.Error(); len(text) > 300 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("%+v: the error is too long, or has control characters: %q", test.options, text)
		}
	}
	for _, o := range []Options{
		{}, {Tenant: tenant, AppID: strings.ToUpper(appID)}, mailbox(oddAddress), mailbox(""), {Protocols: Protocols},
		{Tenant: "Contoso.OnMicrosoft.com", Mailboxes: []Mailbox{{Address: "Scan@Contoso.com"}, {}, {}}},
	} {
		if err := o.Check(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// Every instance has its cloud.
func TestClouds(t *testing.T) {
	t.Parallel()
	for _, instance := range append(m365.Instances(), "") {
		of := Options{Instance: instance}.cloud()
		national := instance != m365.Worldwide && instance != ""
		if of.portal == "" || (of.graph != "") != national || (of.exchange != "") != national {
			t.Errorf("%q: got %+v", instance, of)
		}
	}
}

// wantFile compares a file with what it should be, or makes it so.
func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not up to date; run: go test ./cmd/tlslift/internal/setup -update", path)
	}
}
