package signin

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
	"golang.org/x/crypto/bcrypt"
)

// What these tests must find nowhere.
const (
	appSecret   = "app-secret-QX7"
	scanSecret  = "scan-secret-QX7"
	copierWords = "copier-word-QX7"
)

// hashOf returns a hash that is quick to check.
func hashOf(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

const id = "11111111-2222-3333-4444-555555555555"

// head is what each file begins with; the mailboxes follow in line 6.
const head = "tenant: contoso.onmicrosoft.com\napplication:\n  id: " + id + "\n  secret_file: app-secret\nmailboxes:\n"

func example(t testing.TB) string {
	return "tenant: contoso.onmicrosoft.com      # or the GUID\napplication:\n  id: " + id + `
  secret_file: app-secret
mailboxes:
  - address: Scan@contoso.com
    logins:
      - name: Copier1
        password: ` + hashOf(t, copierWords) + `
        clients: [10.1.2.3, 10.2.0.0/16, copier-3]
      - name: oldscanner
        secret_file: old
    clients: [10.1.2.9, "fd00:1::/64", printer7]
    senders: [scan@contoso.com, "*@Scan.contoso.com"]
    sessions: 2
    messages_per_minute: 20
    wait: 30s
    hve: true
  - address: shared@contoso.com
    delegated: true
    user: delegate@contoso.com
    clients: [10.1.0.0/16]
`
}

// files returns an opener of files that are not on disk.
func files(text map[string]string) opener {
	return func(name string, _ int) ([]byte, error) {
		if t, ok := text[name]; ok {
			return []byte(t), nil
		}
		return nil, os.ErrNotExist
	}
}

func secrets() opener {
	return files(map[string]string{
		"app-secret": appSecret + "\n", "old": scanSecret + "\r\n", "copier": copierWords, "two": "a\nb\n", "none": "\n",
	})
}

func mustParse(t testing.TB, text string) *Config {
	t.Helper()
	cfg, err := parse([]byte(text), secrets())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestParse(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{
		"as it is": example(t), "byte order mark": "\ufeff" + example(t), "CRLF": strings.ReplaceAll(example(t), "\n", "\r\n"),
	} {
		cfg := mustParse(t, text)
		want := `tenant contoso.onmicrosoft.com
application ` + id + ` with the secret in app-secret
mailbox Scan@contoso.com, High Volume Email, 2 sessions, 20 messages a minute, wait 30s, senders scan@contoso.com *@scan.contoso.com
  login Copier1, password as a hash, only 10.1.2.3 10.2.0.0/16 copier-3
  login oldscanner, password in a file, also for CRAM-MD5
  without a login: 10.1.2.9 fd00:1::/64 printer7
mailbox shared@contoso.com, delegated to delegate@contoso.com, 3 sessions, 30 messages a minute, wait 45s
  without a login: 10.1.0.0/16`
		if got := strings.Join(cfg.Summary(), "\n"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", what, got, want)
		}
		if cfg.Application.SecretFile != "app-secret" || cfg.logins["oldscanner"].secret.Reveal() != scanSecret {
			t.Errorf("%s: secrets are not what the files have", what)
		}
	}
}

// The files in the documentation are some that are read, once a hash is in its place.
func TestDocumentedFiles(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join("..", "..", "deploy", "docs", "signin.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := files(map[string]string{
		"/var/lib/tlslift/app-secret": "x", "/var/lib/tlslift/oldscanner": "y", "/var/lib/tlslift/app.pem": certificate(t),
	})
	placeholder := regexp.MustCompile(`\$(2b\$10|argon2id\$v=19)\$\.\.\.`)
	for _, boxes := range []int{1, 3} {
		_, rest, _ := strings.Cut(string(doc), "```yaml\ntenant:")
		text, rest, found := strings.Cut(rest, "```\n")
		doc = []byte(rest)
		cfg, err := parse([]byte(placeholder.ReplaceAllLiteralString("tenant:"+text, hashOf(t, copierWords))), there)
		if !found || err != nil || len(cfg.mailboxes) != boxes {
			t.Errorf("%v, %v", cfg, err)
		}
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	const delegated = "mailboxes: [{address: a@b.example, delegated: true, clients: [10.0.0.1]}]"
	const federated = "tenant: a.example\napplication: {id: " + id + ", federated_token_file: t}\n"
	const own = "mailboxes: [{address: a@b.example, clients: [10.0.0.1]}]"
	for text, want := range map[string]string{
		"tenant: " + id + "\napplication: {id: " + id + "}\n" + delegated:        "application " + id + " with no credential",
		"tenant: a.example\napplication: {managed_identity: system}\n" + own:     "application with the managed identity system",
		"tenant: a.example\napplication: {managed_identity: " + id + "}\n" + own: "application with the managed identity " + id,
		"tenant: a.example\napplication: {id: " + id + ", secret_file: app-secret, expires: 2027-11-01}\n" + own: "application " + id +
			" with the secret in app-secret, which expires on 2027-11-01",
		"tenant: a.example\napplication: {id: " + id + ", expires: '2028-02-29', secret_file: app-secret}\n" + own: "application " + id +
			" with the secret in app-secret, which expires on 2028-02-29",
		federated + own: "application " + id + " with the federated token in t",
	} {
		if cfg := mustParse(t, text); cfg.Summary()[1] != want {
			t.Errorf("%s: %q", text, cfg.Summary())
		}
	}
}

// in returns a file with one login whose lines follow; they begin in line 8.
func in(lines string) string {
	return head + "- address: a@contoso.com\n  logins:\n  - name: x\n" + lines
}

func TestProblems(t *testing.T) {
	t.Parallel()
	hash := "    password: " + hashOf(t, "x") + "\n"
	const box = head + "- address: a@contoso.com\n  clients: [10.0.0.1]\n"
	for _, test := range []struct{ text, want string }{
		{"", "there is nothing in the file; write a tenant, an application and mailboxes"},
		{"{}", "line 1, column 1: the file has no tenant; add one, for example tenant: contoso.onmicrosoft.com\n" +
			"line 1, column 1: the file has no application; add it with the id that Entra shows for it\n" +
			"line 1, column 1: the file has no mailboxes; add them"},
		{"tennant: x", `line 1, column 1: unknown key "tennant"; did you mean tenant?` + "\n" +
			"line 1, column 1: the file has no application; add it with the id that Entra shows for it\n" +
			"line 1, column 1: the file has no mailboxes; add them"},
		{strings.Replace(box, "contoso.onmicrosoft.com", "common", 1),
			`line 1, column 9: tenant is "common"; write its domain, for example contoso.onmicrosoft.com, or its GUID`},
		{strings.Replace(box, "contoso.onmicrosoft.com", "\u212Aontoso.example", 1), // its lower case is k
			"line 1, column 9: tenant is \"\u212Aontoso.example\"; write its domain, for example contoso.onmicrosoft.com, or its GUID"},
		{strings.Replace(box, id, "tlslift", 1),
			"line 3, column 7: the application's id is not a GUID; write one, for example 11111111-2222-3333-4444-555555555555"},
		{strings.Replace(box, "  id: "+id+"\n", "", 1),
			"line 3, column 3: the application has no id; add the application (client) id that Entra shows for it"},
		{strings.Replace(box, "secret_file: app-secret", "managed_identity: sytem", 1),
			"line 4, column 21: managed_identity is not system, and is not a GUID; write one, for example 11111111-2222-3333-4444-555555555555"},
		{strings.Replace(box, "  secret_file: app-secret\n", "", 1),
			"line 1, column 1: the application has no credential, and a mailbox is not " +
				"delegated; add secret_file, certificate_file, federated_token_file or managed_identity, or write delegated: true for each mailbox"},
		{strings.Replace(box, "mailboxes:", "  federated_token_file: t\nmailboxes:", 1), "line 3, column 3: the application has more than one " +
			"credential; leave one of secret_file, certificate_file, federated_token_file and managed_identity"},
		{strings.Replace(box, "mailboxes:", "  expires: 1.11.2027\nmailboxes:", 1), `line 5, column 12: expires is "1.11.2027"; ` + aDay},
		{strings.Replace(box, "mailboxes:", "  expires: 2027-02-29\nmailboxes:", 1), `line 5, column 12: expires is "2027-02-29"; ` + aDay},
		{strings.Replace(box, "mailboxes:", "  expires: 2207-11-01\nmailboxes:", 1), `line 5, column 12: expires is "2207-11-01"; ` + aDay},
		{strings.Replace(box, "mailboxes:", "  expires: 2027-11-01T10:00:00Z\nmailboxes:", 1),
			`line 5, column 12: expires is "2027-11-01T10:00:00Z"; ` + aDay},
		{strings.Replace(box, "mailboxes:", "  expires:\nmailboxes:", 1), "line 5, column 11: expires has no value; write one or remove it"},
		{strings.Replace(box, "secret_file: app-secret", "managed_identity: system\n  expires: 2027-11-01", 1), "line 3, column 3: the " +
			"application has expires, which belongs to secret_file; remove it, since a certificate says itself when it expires"},
		{strings.Replace(box, "app-secret", "two", 1),
			"line 4, column 16: the file that secret_file names has more than one line, or characters that are no text"},
		{strings.Replace(box, "app-secret", "none", 1), "line 4, column 16: the file that secret_file names is empty"},
		{strings.Replace(box, "secret_file", "certificate_file", 1), "line 4, column 21: the file that certificate_file names " +
			"does not have a certificate and its key without a password, both in PEM"},
		{head + "  []", "line 6, column 3: mailboxes is an empty list; add a mailbox"},
		{head + "- {}", "line 6, column 3: the mailbox has no address; add one, for example address: scan@contoso.com\n" +
			"line 6, column 3: nobody may use the mailbox; add logins, or clients that may send without a login"},
		{head + "- {address: scan, clients: [a]}", `line 6, column 13: address is "scan"; write a mail address, for example scan@contoso.com`},
		{box + "- address: A@Contoso.com\n  clients: [10.0.0.2]",
			`line 8, column 12: the mailbox "A@Contoso.com" is already given in line 6; make one mailbox of the two`},
		{box + "  user: b@contoso.com",
			"line 6, column 3: the mailbox has a user, which only a delegated one has; add delegated: true, or remove user"},
		{box + "  sessions: 0", `line 8, column 13: sessions is "0"; write a number from 1 to 100`},
		{box + "  sessions: many", `line 8, column 13: sessions is "many"; write a number from 1 to 100`},
		{box + "  messages_per_minute: -1", `line 8, column 24: messages_per_minute is "-1"; write a number from 1 to 10000`},
		{box + "  wait: 45", `line 8, column 9: wait is "45"; write a time from 1s to 10m0s, for example 45s`},
		{box + "  hve: yes", `line 8, column 8: hve is "yes"; write true or false`},
		{box + "  senders: []", "line 8, column 12: senders is an empty list; write addresses, or remove it to allow all"},
		{box + "  senders: ['*', 'a*@b.example', '*@c']", `line 8, column 13: the sender is "*"; ` + aSender + "\n" +
			`line 8, column 18: the sender is "a*@b.example"; ` + aSender + "\n" + `line 8, column 34: the sender is "*@c"; ` + aSender},
		{box + "- address: b@contoso.com\n  clients: [10.0.0.1/32]",
			`line 9, column 13: the client "10.0.0.1/32" already has the mailbox in line 7; remove one of the two`},
		{head + "- {address: a@contoso.com, clients: [10.0.0.1/8, '::ffff:10.0.0.1', 10.0.0.256, ' a', '']}",
			`line 6, column 38: "10.0.0.1/8" has an address within the network; write 10.0.0.0/8 for the network` + "\n" +
				`line 6, column 50: "::ffff:10.0.0.1" must be without a zone, and have its IPv4 form; write 10.0.0.1` + "\n" +
				`line 6, column 69: "10.0.0.256" ` + aClient + "\n" + `line 6, column 81: " a" ` + aClient + "\n" +
				`line 6, column 87: "" ` + aClient},
		{in(""), "line 8, column 5: the login needs one of the two: password with a hash from tlslift password, or secret_file"},
		{in(hash + "    secret_file: old"),
			"line 8, column 5: the login needs one of the two: password with a hash from tlslift password, or secret_file"},
		{in(hash + "  - name: X\n" + hash), `line 10, column 11: the login "X" is already taken in line 8; give each its own name`},
		{in(hash + "  - name: büro\n" + hash),
			`line 10, column 11: the name "büro" is not from 1 to 254 printable ASCII characters, without spaces at its ends`},
		{in("    password: " + scanSecret), "line 9, column 15: this is no hash of a password; make one with tlslift password"},
		{in("    password: $2b$15$" + strings.Repeat("a", 53)), "line 9, column 15: the bcrypt hash has a cost that is not from 4 to 14"},
		{in("    password: $argon2id$v=19$m=999999,t=1,p=1$c29tZXNhbHQ$" + strings.Repeat("a", 43)),
			"line 9, column 15: the argon2id hash asks for more than m=65536,t=10,p=8, or for nothing; make one with tlslift password"},
		{in("    secret_file: old\n  - {name: y, password: $argon2id$v=19$m=64,t=1,p=1$QX7}"),
			"line 10, column 25: the argon2id hash ends at its first comma; write it in quotes\n" +
				"line 10, column 45: unknown key; " + loginKeys + "\n" + "line 10, column 49: unknown key; " + loginKeys},
		{in("    password:" + scanSecret + "\n    secret_file: old"),
			"line 10, column 5: could not find expected ':' while scanning a simple key, which begins in line 9, column 5"},
		{in("    secret_file: " + scanSecret), "line 9, column 18: the file that secret_file names file does not exist"},
	} {
		_, err := parse([]byte(test.text), secrets())
		if err == nil || err.Error() != test.want {
			t.Errorf("%s\ngot  %v\nwant %s", test.text, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "QX7") {
			t.Errorf("a secret is in %v", err)
		}
	}
}

const (
	loginKeys = "known keys are name, password, secret_file and clients"
	aDay      = "write a day from 2020 to 2099, for example 2027-11-01"
	aSender   = "write an address, or *@ and a domain in quotes, for example \"*@contoso.com\""
	aClient   = "is not a client; write an address, a network such as 192.168.30.0/24, or a name of the clients file"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "signin.yaml")
	write(t, path, example(t), 0o640)
	write(t, filepath.Join(dir, "app-secret"), appSecret, 0o600)
	write(t, filepath.Join(dir, "old"), scanSecret, 0o400)
	cfg, err := Load(path)
	if err != nil || cfg.Application.SecretFile != filepath.Join(dir, "app-secret") {
		t.Fatalf("%v, %v", cfg, err)
	}
	if err := cfg.CheckClients([]string{"copier-3", "printer-7"}); err == nil ||
		err.Error() != path+`: line 13, column 40: the clients file has no client "printer7"; did you mean printer-7?` {
		t.Errorf("clients: %v", err)
	}
	if err := cfg.CheckClients([]string{"copier-3", "printer7"}); err != nil {
		t.Errorf("clients: %v", err)
	}
	if runtime.GOOS != "windows" {
		write(t, filepath.Join(dir, "old"), scanSecret, 0o644)
	}
	write(t, filepath.Join(dir, "app-secret"), strings.Repeat("x", maxSecretFile+1), 0o600)
	want := path + ": line 4, column 16: the file that secret_file names has more than 65536 bytes"
	if runtime.GOOS != "windows" {
		want += "\n" + path + ": line 12, column 22: the file that secret_file names has mode 0644, " +
			"so that others can read or change it; run chmod 600 on it"
	}
	if _, err := Load(path); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := Load(filepath.Join(dir, "other")); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("no file: %v", err)
	}
	if _, err := Load(dir); err == nil || err.Error() != dir+": is a directory and not a regular file" {
		t.Errorf("a directory: %v", err)
	}
}

// A file of certificate and key is found beside the sign-in file.
func TestLoadCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "signin.yaml")
	text := strings.Replace(head+"- {address: a@b.example, clients: [a]}", "secret_file: app-secret", "certificate_file: app.pem", 1)
	write(t, path, text, 0o600)
	write(t, filepath.Join(dir, "app.pem"), certificate(t), 0o600)
	cfg, err := Load(path)
	if err != nil || cfg.Application.CertificateFile != filepath.Join(dir, "app.pem") {
		t.Errorf("%v, %v", cfg, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(example(f)))
	f.Add([]byte(head + "- {address: a@b.example, clients: [10.0.0.1, ::/0, a b], senders: ['*@b.example']}"))
	f.Add([]byte(in("    password: $argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$" + strings.Repeat("a", 43))))
	f.Add([]byte("? [a]\n: {b: *c}\n<<: &d !!x e\nmailboxes: |\n  f\n- >-\n  g\n---\n..."))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := parse(text, secrets())
		if (cfg == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", cfg, err)
		}
		if err != nil {
			for one := range strings.SplitSeq(err.Error(), "\n") {
				if strings.Contains(one, "QX7") || strings.ContainsFunc(one, func(c rune) bool { return c < ' ' }) {
					t.Errorf("a problem is %q", one)
				}
			}
			return
		}
		for _, m := range cfg.mailboxes {
			if !isAddress(m.address) || m.sessions < 1 || m.perMinute < 1 || m.wait <= 0 {
				t.Errorf("mailbox %s", m.summary())
			}
			for _, l := range m.logins {
				if l.name == "" || (l.hash.isZero()) == l.secret.IsZero() || cfg.logins[strings.ToLower(l.name)] != l {
					t.Errorf("login %q", l.name)
				}
			}
		}
		_ = fmt.Sprint(cfg.Summary())
	})
}

// certificate returns a certificate and its key.
func certificate(t *testing.T) string {
	t.Helper()
	key := testenv.ECDSAKey(t)
	c := testenv.SelfSigned(t, testenv.Template("tlslift"), key)
	return string(testenv.CertificatePEM(c.Leaf)) + string(testenv.KeyPEM(t, key))
}
