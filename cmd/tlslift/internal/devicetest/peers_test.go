package devicetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// atTLS10 lets OpenSSL speak TLS 1.0.
const atTLS10 = `openssl_conf = all
[all]
ssl_conf = tls
[tls]
system_default = old
[old]
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
`

// press runs a program again and again, until enough is known of it.
func (w *world) press(t *testing.T, most int, stdin string, command ...string) (Device, string) {
	t.Helper()
	conf := testenv.WriteFile(t, "openssl.cnf", []byte(atTLS10))
	var out []byte
	for range most {
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Env = append(os.Environ(), "OPENSSL_CONF="+conf, "HOME="+t.TempDir())
		cmd.Stdin = strings.NewReader(stdin)
		out, _ = cmd.CombinedOutput() // many of them fail, as devices do
		select {
		case r := <-w.result:
			w.result <- r
			return w.end(t), string(out)
		default:
		}
	}
	w.stop()
	d := w.end(t)
	if !d.Finished {
		t.Logf("not finished after %d presses:\n%s\nthe last one:\n%s", most, w.notes, out)
	}
	return d, string(out)
}

// A realProgram is a device of the test: a program of others at TLS 1.0.
type realProgram struct {
	scheme listener.Scheme
	stdin  string
	// command returns the command line, for a port of the test.
	command func(t *testing.T, w *world, port string) []string
	most    int // presses
	works   bool
	want    []string // in what is found
}

// swaks returns the command line of a device that sends a mail.
func swaks(args ...string) func(*testing.T, *world, string) []string {
	return func(_ *testing.T, _ *world, port string) []string {
		return append([]string{
			"swaks", "--server", "127.0.0.1:" + port, "--auth", "LOGIN", "--auth-user", "scan", "--auth-password", password,
			"--from", "scan@contoso.com", "--to", "a@contoso.com", "--helo", "scanner",
		}, args...)
	}
}

// curl returns the command line of a device that signs in. PORT in the arguments is that of
// the test, and CA the file of its CA.
func curl(args ...string) func(*testing.T, *world, string) []string {
	return func(_ *testing.T, w *world, port string) []string {
		command := []string{"curl", "-sS", "--ssl-reqd", "--tls-max", "1.0", "--user", "scan:" + password}
		for _, a := range args {
			command = append(command, strings.NewReplacer("PORT", port, "CA", w.ca.CertificateFile()).Replace(a))
		}
		return command
	}
}

// curlSends is curl that sends a mail with a mechanism.
func curlSends(mechanism string) func(*testing.T, *world, string) []string {
	return curl("-k", "--login-options", "AUTH="+mechanism, "--mail-from", "scan@contoso.com", "--mail-rcpt", "a@contoso.com",
		"--upload-file", "-", "smtp://127.0.0.1:PORT")
}

// msmtp has its settings in a file, and compares the name in the certificate.
func msmtp(t *testing.T, w *world, port string) []string {
	conf := filepath.Join(t.TempDir(), "msmtprc")
	text := fmt.Sprintf("account default\nhost 127.0.0.1\nport %s\ntls on\ntls_starttls off\ntls_trust_file %s\n"+
		"tls_host_override smtp.office365.com\ntls_priorities NORMAL:-VERS-ALL:+VERS-TLS1.0\n"+
		"auth login\nuser scan\npassword %s\nfrom scan@contoso.com\n", port, w.ca.CertificateFile(), password)
	must(t, os.WriteFile(conf, []byte(text), 0o600))
	return []string{"msmtp", "-C", conf, "a@contoso.com"}
}

// withoutCA is openssl with another CA than that of the test.
func withoutCA(t *testing.T, _ *world, port string) []string {
	other := testenv.NewAuthority(t, "other", testenv.RSAKey(t, 0))
	return []string{
		"openssl", "s_client", "-tls1", "-starttls", "smtp", "-connect", "127.0.0.1:" + port, "-verify_return_error",
		"-CAfile", testenv.WriteFile(t, "other.pem", other.PEM()),
	}
}

// onlyRC4 is a client that has no other cipher.
func onlyRC4(_ *testing.T, _ *world, port string) []string {
	return []string{
		"gnutls-cli", "--insecure", "--priority",
		"NONE:+VERS-TLS1.0:+ARCFOUR-128:+SHA1:+RSA:+SIGN-ALL:+COMP-NULL:+CTYPE-ALL:%VERIFY_ALLOW_SIGN_WITH_SHA1", "-p", port, "127.0.0.1",
	}
}

var realPrograms = map[string]realProgram{
	"swaks takes any certificate": {
		scheme: listener.SchemeSMTP, works: true, most: 3, command: swaks("-tls", "--tls-protocol", "tlsv1"),
		want: []string{"certificate_check: no", "TLS 1.0", "sign_in: LOGIN"},
	},
	"swaks has no TLS": {
		scheme: listener.SchemeSMTP, works: true, most: 3, command: swaks(),
		want: []string{"encryption: none", "plaintext: allow", "greets_with: EHLO scanner"},
	},
	"msmtp has only implicit TLS, and checks": {
		scheme: listener.SchemeSMTPS, works: true, most: 3, command: msmtp, stdin: "Subject: x\n\nscan\n",
		want: []string{"certificate_check: yes", "encryption: SSL/TLS (implicit TLS)\n"},
	},
	"openssl checks, and does not have the CA": {
		scheme: listener.SchemeSMTP, most: 6, command: withoutCA,
		want: []string{"certificate_check: yes", "client_unknown_ca", "still rejects", "/ca"},
	},
	"gnutls has only RC4": {
		scheme: listener.SchemeSMTPS, most: 5, command: onlyRC4, stdin: "EHLO scanner\r\nQUIT\r\n",
		want: []string{"off by default", "ciphers: [rc4]", "TLS_RSA_WITH_RC4_128_SHA"},
	},
	"curl reads a mailbox by STARTTLS": {
		scheme: listener.SchemeIMAP, most: 3, command: curl("-k", "imap://127.0.0.1:PORT/INBOX?ALL"),
		want: []string{"certificate_check: no", "takes no password for IMAP", "encryption: STARTTLS"},
	},
	"curl wants NTLM": {
		scheme: listener.SchemeSMTP, most: 3, command: curlSends("NTLM"),
		want: []string{"wants to sign in with NTLM", "sign_in: NTLM"},
	},
	"curl wants CRAM-MD5": {
		scheme: listener.SchemeSMTP, most: 4, command: curlSends("CRAM-MD5"),
		want: []string{"sign_in: CRAM-MD5", "Microsoft 365 does not offer CRAM-MD5"},
	},
	"curl reads a mailbox": {
		scheme: listener.SchemePOP3S, most: 3,
		command: curl("--cacert", "CA", "--resolve", "outlook.office365.com:PORT:127.0.0.1", "pop3s://outlook.office365.com:PORT/"),
		want:    []string{"certificate_check: yes", "takes no password for POP3"},
	},
}

// Real programs at TLS 1.0 are distinguished by whether they check certificates, and by what
// they need.
func TestRealPrograms(t *testing.T) {
	t.Parallel()
	for name, tt := range realPrograms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, nil)
			_, port, err := net.SplitHostPort(w.addresses[tt.scheme])
			must(t, err)
			command := tt.command(t, w, port)
			testenv.Need(t, command[0])
			d, out := w.press(t, tt.most, tt.stdin, command...)
			if d.Works != tt.works || !d.Finished {
				t.Errorf("works %v, finished %v after\n%s%s", d.Works, d.Finished, w.notes, out)
			}
			found := text(d.Supports) + text(d.Tlslift) + d.Entry + d.CA + w.notes.String()
			wantIn(t, found, tt.want...)
			if strings.Contains(found, "hunter2") {
				t.Errorf("the password is shown:\n%s", found)
			}
		})
	}
}

// javaScanner is a device that cannot check SHA-256: it presses its button until nobody
// listens any more.
const javaScanner = `import java.io.*;
import javax.net.ssl.*;

class Scanner {
	public static void main(String[] args) throws Exception {
		SSLSocketFactory f = (SSLSocketFactory) SSLSocketFactory.getDefault();
		for (int i = 0; i < 9; i++) {
			try (SSLSocket s = (SSLSocket) f.createSocket("127.0.0.1", Integer.parseInt(args[0]))) {
				s.setEnabledProtocols(new String[] {"TLSv1"});
				OutputStream out = s.getOutputStream();
				InputStream in = s.getInputStream();
				for (String line : new String[] {"EHLO scanner", "AUTH LOGIN", "c2Nhbg==", "aHVudGVyMg==", "QUIT"}) {
					out.write((line + "\r\n").getBytes("US-ASCII"));
					out.flush();
				}
				while (in.read() >= 0) { }
			} catch (java.net.ConnectException e) {
				return;
			} catch (IOException e) {
				System.out.println(e);
			}
		}
	}
}
`

// Java that does not take SHA-256 any more gets a certificate with SHA-1, and nothing else.
func TestJavaWithoutSHA256(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "java", "keytool")
	w := start(t, nil)
	dir := t.TempDir()
	store := filepath.Join(dir, "store.p12")
	run := func(name string, args ...string) string {
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	run("keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", w.ca.CertificateFile(), "-keystore", store, "-storepass", "changeit")
	security := testenv.WriteFile(t, "java.security", []byte("jdk.tls.disabledAlgorithms=SSLv3\n"+
		"jdk.certpath.disabledAlgorithms=SHA256withRSA\n"))
	source := testenv.WriteFile(t, "Scanner.java", []byte(javaScanner))
	_, port, err := net.SplitHostPort(w.addresses[listener.SchemeSMTPS])
	must(t, err)
	out := run("java", "-XX:TieredStopAtLevel=1", "-Djava.security.properties="+security, "-Djavax.net.ssl.trustStore="+store,
		"-Djavax.net.ssl.trustStorePassword=changeit", source, port)
	w.stop() // it has ended by itself
	d := w.end(t)
	if !d.Works || !d.Finished || !strings.HasSuffix(d.Entry, "  leaf: {hash: sha1}\n") {
		t.Errorf("got %q after\n%s%s", d.Entry, w.notes, out)
	}
	wantIn(t, d.CA, "the form signed with SHA-1")
}
