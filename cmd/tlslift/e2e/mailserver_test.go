package e2e

import (
	"crypto/x509"
	"maps"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

const (
	smtpHost = "smtp.office365.com"
	mailUser = "scanner@example.com"
	// mailPassword opens every mailbox.
	mailPassword = "Secret-of-the-scanner"
	// passwordUser has the only mailbox that takes a password where the others take
	// tokens.
	passwordUser = "old-plan@example.com"
)

// mailPorts are the ports on which Microsoft 365 takes mail (25 without a
// password, 465 and 587 with one) and has it read, and the host's name there.
var mailPorts = map[int]string{
	25: smtpHost, 465: smtpHost, 587: smtpHost,
	110: host, 143: host, 993: host, 995: host,
}

// A mailServer is Postfix and Dovecot as Microsoft 365 is: TLS 1.2 and newer,
// ECDHE only, no password before TLS. Every name in example.com has a mailbox.
type mailServer struct {
	t   *testing.T
	pki *pki
	dir string
	uid int // who owns the mailboxes
	gid int
	// at is the address of what Microsoft 365 has on a port of mailPorts.
	at map[int]string
}

// mailOptions make a mailServer other than Microsoft 365 is.
type mailOptions struct {
	// TakesPlaintext has STARTTLS, and takes passwords without it.
	TakesPlaintext bool
	// WithoutTLS takes passwords too, and has no STARTTLS; 993 and 995 are
	// closed.
	WithoutTLS bool
	// OnlyX25519 agrees on keys in no other group.
	OnlyX25519 bool
	// Introspection is the URL that tells if a token is good. With it, only
	// the mailbox passwordUser takes a password, and the others take XOAUTH2.
	Introspection string
	// Change alters the certificate; nil leaves it good.
	Change func(*x509.Certificate)
}

const (
	postfixMaster  = "/usr/lib/postfix/sbin/master"
	dovecotProgram = "/usr/sbin/dovecot"
)

// startMailServer runs the servers until the test ends.
func startMailServer(t *testing.T, o mailOptions) *mailServer {
	t.Helper()
	needMailServer(t)
	s := noMailServer(t)
	s.dir = openDir(t)
	s.findOwner()
	t.Cleanup(s.showLogs)
	certFile, keyFile, _ := s.pki.leaf(false, o.Change)
	for name, file := range map[string]string{"cert.pem": certFile, "key.pem": keyFile} {
		// The test's own folder may have a name that is a comment to Dovecot.
		if err := os.Rename(file, filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	values := map[string]string{
		"dir": s.dir, "password": mailPassword,
		"uid": strconv.Itoa(s.uid), "gid": strconv.Itoa(s.gid),
		"reading": readingAddress, "lmtp": portOf(testenv.FreeAddress(t)), "auth": portOf(testenv.FreeAddress(t)),
	}
	maps.Copy(values, o.values())
	for port, address := range s.at {
		values[strconv.Itoa(port)] = portOf(address)
	}
	s.startDovecot(values)
	s.startPostfix(values)
	return s
}

// values are what the options say in the servers' configuration.
func (o mailOptions) values() map[string]string {
	v := map[string]string{
		"ssl": "required", "starttls": "may", "submission": "encrypt", "tls_before_password": "yes",
		"dovecot_groups": "", "postfix_groups": "X25519 prime256v1",
		"mechanisms": "plain login", "oauth2": "", "takes_passwords": "*",
	}
	if o.Introspection != "" {
		v["mechanisms"], v["takes_passwords"] = "plain login xoauth2", passwordUser
		v["oauth2"] = "passdb {\n  driver = oauth2\n  mechanisms = xoauth2\n  args = {dir}/dovecot-oauth2.conf\n}"
		v["introspection"] = o.Introspection
	}
	switch {
	case o.WithoutTLS:
		v["ssl"], v["starttls"], v["submission"], v["tls_before_password"] = "no", "none", "none", "no"
	case o.TakesPlaintext:
		v["ssl"], v["submission"], v["tls_before_password"] = "yes", "may", "no"
	case o.OnlyX25519:
		v["dovecot_groups"], v["postfix_groups"] = "X25519", "X25519"
	}
	return v
}

// noMailServer has addresses on which nothing listens.
func noMailServer(t *testing.T) *mailServer {
	t.Helper()
	s := &mailServer{t: t, pki: newPKI(t), at: map[int]string{}}
	for port, name := range mailPorts {
		s.at[port] = testenv.FreeAddress(t)
		if name == host {
			s.at[port] = net.JoinHostPort(readingAddress, portOf(s.at[port]))
		}
	}
	return s
}

// readingAddress is where Dovecot listens. To one that comes from the address
// that it came to, Dovecot offers a login without TLS, whatever is configured.
const readingAddress = "127.0.0.2"

// needMailServer is testenv.Need for servers that only root can run.
func needMailServer(t *testing.T) {
	t.Helper()
	onlyLinux(t)
	testenv.Need(t, postfixMaster, dovecotProgram)
	testenv.NeedRoot(t, "run Postfix")
}

// openDir is a folder that the servers' own users can enter, and whose name
// leaves room for those of the sockets in it, which have 107 bytes in all.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mail-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A server's process that is about to end may still write.
		err := os.RemoveAll(dir)
		for deadline := time.Now().Add(testenv.Patience); err != nil && time.Now().Before(deadline); err = os.RemoveAll(dir) {
			<-time.After(20 * time.Millisecond)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// findOwner looks up the user that Postfix runs as; it has the mailboxes too.
func (s *mailServer) findOwner() {
	s.t.Helper()
	u, err := user.Lookup("postfix")
	if err != nil {
		s.t.Fatal(err)
	}
	s.uid, _ = strconv.Atoi(u.Uid)
	s.gid, _ = strconv.Atoi(u.Gid)
}

// folder makes a folder in dir that a user owns.
func (s *mailServer) folder(name string, uid, gid int) {
	s.t.Helper()
	name = filepath.Join(s.dir, name)
	if err := os.MkdirAll(name, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chown(name, uid, gid); err != nil {
		s.t.Fatal(err)
	}
}

// configure copies a file of testdata with its values filled in.
func (s *mailServer) configure(name string, values map[string]string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		s.t.Fatal(err)
	}
	pairs := make([]string, 0, 2*len(values))
	for k, v := range values {
		pairs = append(pairs, "{"+k+"}", v)
	}
	filled := strings.NewReplacer(pairs...).Replace(string(text))
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(filled), 0o644); err != nil { // read by the servers' users
		s.t.Fatal(err)
	}
}

func (s *mailServer) startDovecot(values map[string]string) {
	s.t.Helper()
	s.folder("mail", s.uid, s.gid)
	if values["introspection"] != "" {
		values["oauth2"] = strings.ReplaceAll(values["oauth2"], "{dir}", s.dir)
		s.configure("dovecot-oauth2.conf", values)
	}
	s.configure("dovecot.conf", values)
	testenv.Program{Address: s.at[143]}.Run(s.t, dovecotProgram, "-F", "-c", filepath.Join(s.dir, "dovecot.conf"))
}

func (s *mailServer) startPostfix(values map[string]string) {
	s.t.Helper()
	s.folder("queue", 0, 0)
	s.folder("queue/pid", 0, 0)
	for _, name := range []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "private",
		"public", "saved", "trace"} {
		s.folder("queue/"+name, s.uid, s.gid)
	}
	s.folder("data", s.uid, s.gid)
	s.configure("main.cf", values)
	s.configure("master.cf", values)
	testenv.Program{Address: s.at[587]}.Run(s.t, postfixMaster, "-s", "-c", s.dir)
}

// showLogs prints what the servers logged when the test failed.
func (s *mailServer) showLogs() {
	if s.t.Failed() {
		s.t.Logf("Postfix:\n%s\nDovecot:\n%s", end(s.log("postfix.log")), end(s.log("dovecot.log")))
	}
}

func (s *mailServer) log(name string) string {
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// rootFile is a file with the root that signed the servers' certificate.
func (s *mailServer) rootFile(t *testing.T) string {
	t.Helper()
	return testenv.WriteFile(t, "root.pem", s.pki.pem)
}

// What the servers log when they are asked for a password, and when they take
// a mail.
const (
	sawPassword = "client in: AUTH"
	tookMail    = "queue active"
)

// put lays a mail into a user's mailbox.
func (s *mailServer) put(mailbox, mail string) {
	s.t.Helper()
	for _, name := range []string{"", "/Maildir", "/Maildir/cur", "/Maildir/new", "/Maildir/tmp"} {
		s.folder("mail/"+mailbox+name, s.uid, s.gid)
	}
	file := filepath.Join(s.dir, "mail", mailbox, "Maildir", "new", "1.1.localhost")
	if err := os.WriteFile(file, []byte(mail), 0o644); err != nil { // read as the mailbox's owner
		s.t.Fatal(err)
	}
}

// arrived waits until n new mails are in a user's mailbox and returns them.
func (s *mailServer) arrived(t *testing.T, mailbox string, n int) []string {
	t.Helper()
	pattern := filepath.Join(s.dir, "mail", mailbox, "Maildir", "new", "*")
	for deadline := time.Now().Add(testenv.Patience); time.Now().Before(deadline); {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) >= n {
			return readFiles(t, files)
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("%d mails have not arrived for %s", n, mailbox)
	return nil
}

func readFiles(t *testing.T, files []string) []string {
	t.Helper()
	texts := make([]string, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	return texts
}
