package e2e

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A mailLevel is how much TLS a client has, in the words of each client.
type mailLevel struct {
	name    string
	offered string // as tlslift logs it
	why     string // the rule by which tlslift lifts or passes it
	openssl []string
	curl    []string
	swaks   []string
	python  [2]string // version and suites
	gnutls  string
	java    [2]string // versions and suites
}

const lowestSecurity = "ALL:@SECLEVEL=0"

// modern is a client that Microsoft 365 serves; the others it does not.
var (
	modern = mailLevel{
		name: "modern", offered: "TLS 1.3", why: "capable",
		gnutls: "NORMAL", java: [2]string{"TLSv1.2 TLSv1.3"},
	}
	atTLS10 = mailLevel{
		name: "TLS 1.0", offered: "TLS 1.0", why: "tls_version",
		openssl: []string{"-tls1", "-cipher", lowestSecurity},
		curl:    []string{"--tlsv1.0", "--tls-max", "1.0", "--ciphers", lowestSecurity},
		swaks:   []string{"--tls-protocol", "tlsv1", "--tls-cipher", lowestSecurity},
		python:  [2]string{"TLSv1", lowestSecurity},
		gnutls:  "NORMAL:-VERS-ALL:+VERS-TLS1.0",
		java:    [2]string{"TLSv1"},
	}
	atTLS11 = mailLevel{
		name: "TLS 1.1", offered: "TLS 1.1", why: "tls_version",
		openssl: []string{"-tls1_1", "-cipher", lowestSecurity},
		curl:    []string{"--tlsv1.0", "--tls-max", "1.1", "--ciphers", lowestSecurity},
		swaks:   []string{"--tls-protocol", "tlsv1,tlsv1_1", "--tls-cipher", lowestSecurity},
		python:  [2]string{"TLSv1_1", lowestSecurity},
		gnutls:  "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0",
		java:    [2]string{"TLSv1 TLSv1.1"},
	}
	withoutECDHE = mailLevel{
		name: "TLS 1.2 without ECDHE", offered: "TLS 1.2", why: "cipher_suites",
		openssl: []string{"-tls1_2", "-cipher", "AES128-SHA"},
		curl:    []string{"--tlsv1.2", "--tls-max", "1.2", "--ciphers", "AES128-SHA"},
		swaks:   []string{"--tls-protocol", "tlsv1_2", "--tls-cipher", "AES128-SHA"},
		python:  [2]string{"TLSv1_2", "AES128-SHA"},
		gnutls:  "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA",
		java:    [2]string{"TLSv1.2", "TLS_RSA_WITH_AES_128_CBC_SHA"},
	}
	mailLevels = []mailLevel{atTLS10, atTLS11, withoutECDHE, modern}
	// sslv2Hello is Java 6, whose hello is in SSLv2 format.
	sslv2Hello = mailLevel{
		name: "SSLv2-format hello", offered: "TLS 1.0", why: "hello_format", java: [2]string{"SSLv2Hello TLSv1"},
	}
)

// How a client begins TLS.
const (
	implicitTLS = "implicit TLS"
	startTLS    = "STARTTLS"   // or STLS
	ifOffered   = "if offered" // else none
	never       = "never"
)

// A mailCall is one mail to send, or to read, by a client.
type mailCall struct {
	level    mailLevel
	protocol string // smtp, imap or pop3
	tlsMode  string // implicitTLS, startTLS, ifOffered or never
	address  string
	caFile   string
	to       string    // who gets a mail that is sent
	mail     string    // what is sent; sentMail when empty
	viaHTTP  string    // port of a destination behind a proxy that address is; empty for none
	oneEHLO  bool      // openssl says no EHLO after STARTTLS
	more     []string  // words for the client's command line
	in       namespace // where the client runs; empty for this machine's own network
	user     string    // who signs in; mailUser when empty
	password string    // mailPassword when empty
	said     string    // what openssl says; empty for what signs in and sends or reads a mail
}

// login is what the client signs in with.
func (c mailCall) login() (user, password string) {
	return cmp.Or(c.user, mailUser), cmp.Or(c.password, mailPassword)
}

// run runs the client's program.
func (c mailCall) run(t *testing.T, stdin, name string, args ...string) (string, error) {
	t.Helper()
	if c.in == "" {
		return run(t, stdin, name, args...)
	}
	return c.in.run(t, stdin, name, args...)
}

func (c mailCall) host() string {
	if c.protocol == "smtp" {
		return smtpHost
	}
	return host
}

func (c mailCall) sent() string { return cmp.Or(c.mail, sentMail) }

const (
	sentMail = "From: " + mailUser + "\r\nSubject: scan\r\n\r\nfrom the scanner\r\n"
	// storedMail is what there is to read.
	storedMail = "From: someone@example.com\nSubject: hello from Dovecot\n\nhello\n"
)

// A mailClient carries out a call and returns what it printed, which is the
// mail if it reads one. It checks the certificate against the call's caFile.
type mailClient func(*testing.T, mailCall) (string, error)

var mailClients = map[string]mailClient{
	"curl": curlMail, "openssl": opensslMail, "python": pythonMail, "swaks": swaksMail, "msmtp": msmtpMail,
}

// can reports whether a client can carry out a call.
func can(client string, c mailCall) bool {
	if client == "swaks" || client == "msmtp" {
		return c.protocol == "smtp" && c.viaHTTP == ""
	}
	return true
}

func curlMail(t *testing.T, c mailCall) (string, error) {
	t.Helper()
	scheme := map[string]string{implicitTLS: c.protocol + "s", startTLS: c.protocol, never: c.protocol}[c.tlsMode]
	url := scheme + "://" + c.host() + ":" + c.viaHTTP
	user, password := c.login()
	args := []string{"-sS", "--cacert", c.caFile, "-u", user + ":" + password}
	if c.viaHTTP == "" {
		args = append(args, "--connect-to", "::"+c.address)
	} else {
		args = append(args, "--proxytunnel", "--proxy", c.address)
	}
	if c.tlsMode == startTLS {
		args = append(args, "--ssl-reqd")
	}
	switch c.protocol {
	case "smtp":
		args = append(args, "--mail-from", mailUser, "--mail-rcpt", c.to, "-T", "-", url+"/scanner.example.com")
	case "imap":
		args = append(args, url+"/INBOX;MAILINDEX=1")
	case "pop3":
		args = append(args, url+"/1")
	}
	return c.run(t, c.sent(), "curl", append(append(args, c.level.curl...), c.more...)...)
}

// opensslMail says everything at once, as it does not read what it is told.
func opensslMail(t *testing.T, c mailCall) (string, error) {
	t.Helper()
	args := []string{
		"s_client", "-ign_eof", "-crlf", "-servername", c.host(),
		"-verify_hostname", c.host(), "-verify_return_error", "-CAfile", c.caFile,
	}
	if c.viaHTTP == "" {
		args = append(args, "-connect", c.address)
	} else {
		args = append(args, "-proxy", c.address, "-connect", c.host()+":"+c.viaHTTP)
	}
	if c.tlsMode == startTLS {
		args = append(args, "-starttls", c.protocol, "-name", "scanner.example.com")
	}
	user, password := c.login()
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	said := map[string]string{
		"smtp": "EHLO scanner.example.com\nAUTH PLAIN " + plain + "\nMAIL FROM:<" + mailUser + ">\nRCPT TO:<" + c.to +
			">\nDATA\n" + strings.ReplaceAll(c.sent(), "\r", "") + ".\nQUIT\n",
		"imap": "a LOGIN " + user + " " + password + "\nb SELECT INBOX\nc FETCH 1 BODY.PEEK[]\nd LOGOUT\n",
		"pop3": "USER " + user + "\nPASS " + password + "\nRETR 1\nQUIT\n",
	}
	text := cmp.Or(c.said, said[c.protocol])
	if c.oneEHLO {
		_, text, _ = strings.Cut(text, "\n")
	}
	return c.run(t, text, "openssl", append(append(args, c.level.openssl...), c.more...)...)
}

func pythonMail(t *testing.T, c mailCall) (string, error) {
	t.Helper()
	user, password := c.login()
	return c.run(t, c.sent(), "/usr/bin/python3", append([]string{
		filepath.Join("testdata", "mail.py"), c.protocol, c.tlsMode, c.host(), c.address, c.viaHTTP,
		c.level.python[0], c.level.python[1], c.caFile, mailUser, user, password, c.to,
	}, c.more...)...)
}

func swaksMail(t *testing.T, c mailCall) (string, error) {
	t.Helper()
	ip, port, _ := net.SplitHostPort(c.address)
	user, password := c.login()
	args := []string{
		"--server", ip, "--port", port, "--timeout", "60", "--ehlo", "scanner.example.com",
		"--from", mailUser, "--to", c.to, "--auth", "LOGIN", "--auth-user", user, "--auth-password", password,
	}
	if strings.Contains(ip, ":") {
		args = append(args, "-6")
	}
	if c.mail != "" {
		args = append(args, "--data", "-")
	}
	if c.tlsMode != never {
		begin := map[string]string{implicitTLS: "--tls-on-connect", startTLS: "--tls", ifOffered: "--tls-optional"}[c.tlsMode]
		args = append(args, begin, "--tls-verify", "--tls-ca-path", c.caFile, "--tls-sni", c.host())
	}
	return c.run(t, c.mail, "swaks", append(append(args, c.level.swaks...), c.more...)...)
}

func msmtpMail(t *testing.T, c mailCall) (string, error) {
	t.Helper()
	ip, port, _ := net.SplitHostPort(c.address)
	user, password := c.login()
	starttls := map[string]string{implicitTLS: "off", startTLS: "on"}[c.tlsMode]
	conf := filepath.Join(t.TempDir(), "msmtprc")
	text := "account default\nauth login\nuser " + user + "\npassword " + password + "\nfrom " + mailUser +
		"\nhost " + ip + "\nport " + port + "\ntimeout 60\ndomain scanner.example.com" +
		"\ntls on\ntls_starttls " + starttls + "\ntls_trust_file " + c.caFile +
		"\ntls_host_override " + c.host() + "\ntls_priorities " + c.level.gnutls + "\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return c.run(t, c.sent(), "msmtp", append([]string{"-d", "-C", conf, c.to}, c.more...)...)
}

// javaMail carries out several calls in one process, as its start is slow, and
// returns a line for each: "done", and the subject of a mail that was read, or
// "broken" and why.
func javaMail(t *testing.T, calls []mailCall) []string {
	t.Helper()
	const classes = "/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar"
	testenv.Need(t, "java", "javac")
	testenv.Need(t, strings.Split(classes, ":")...)
	var lines, names strings.Builder
	for _, c := range calls {
		ip, port, _ := net.SplitHostPort(c.address)
		user, password := c.login()
		fmt.Fprintln(&names, ip, c.host())
		fmt.Fprintln(&lines, strings.Join([]string{
			c.protocol, c.tlsMode, c.host(), port, c.level.java[0], c.level.java[1], c.caFile, user, password, c.to, c.viaHTTP, mailUser,
		}, ","))
	}
	dir := t.TempDir()
	hosts, security := filepath.Join(dir, "hosts"), filepath.Join(dir, "java.security")
	for file, text := range map[string]string{
		hosts:    names.String() + "127.0.0.1 scanner.example.com\n",
		security: "jdk.tls.disabledAlgorithms=\njdk.certpath.disabledAlgorithms=\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := calls[0].run(t, lines.String(), "java", "-Djava.security.properties="+security, "-Djdk.net.hosts.file="+hosts,
		"-cp", classes, filepath.Join("testdata", "Mail.java"))
	results := strings.Split(strings.TrimSpace(out), "\n")
	if err != nil || len(results) != len(calls) {
		t.Fatalf("%v\n%s", err, out)
	}
	return results
}
