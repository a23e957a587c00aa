package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

const request = "GET / HTTP/1.0\r\nHost: " + host + "\r\n\r\n"

// served are the suites, by OpenSSL's names, in which tlslift ends the TLS of
// an old client; every other one must be refused with handshake_failure.
var served = []string{
	"ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA", "AES128-SHA", "AES256-SHA",
	"DES-CBC3-SHA", "ECDHE-RSA-DES-CBC3-SHA",
	"DHE-RSA-AES128-SHA", "DHE-RSA-AES256-SHA", "DHE-RSA-DES-CBC3-SHA",
	// A client that offers nothing else gets a leaf with an ECDSA key.
	"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-DES-CBC3-SHA",
}

// opensslSuites are all suites of the installed openssl at a version.
func opensslSuites(t *testing.T, version string) []string {
	t.Helper()
	out, err := run(t, "", "openssl", "ciphers", "-s", version, "ALL:eNULL:@SECLEVEL=0")
	if err != nil {
		t.Fatalf("listing suites: %v\n%s", err, out)
	}
	suites := strings.Split(strings.TrimSpace(out), ":")
	if len(suites) < 8 {
		t.Fatalf("openssl has only %v", suites)
	}
	return slices.DeleteFunc(suites, func(s string) bool {
		// Without a shared secret openssl does not offer these at all.
		return strings.Contains(s, "PSK") || strings.Contains(s, "SRP")
	})
}

// sClient sends an HTTP request through openssl s_client, which checks the
// certificate against caFile.
func sClient(t *testing.T, caFile string, args ...string) (string, error) {
	t.Helper()
	args = append([]string{
		"s_client", "-ign_eof", "-servername", host, "-verify_hostname", host,
		"-verify_return_error", "-CAfile", caFile,
	}, args...)
	return run(t, request, "openssl", args...)
}

func TestOpenSSLOverEverySuite(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	l := start(t, n.address, n.pki.pem)
	ways := map[string][]string{
		"CONNECT": {"-proxy", l.proxy, "-connect", host + ":443"},
		"tls":     {"-connect", l.tls},
	}
	for flag, version := range map[string]string{"-tls1": "TLS 1.0", "-tls1_1": "TLS 1.1"} {
		for _, suite := range opensslSuites(t, flag) {
			for way, connect := range ways {
				t.Run(fmt.Sprintf("%s/%s/%s", version, suite, way), func(t *testing.T) {
					out, err := sClient(t, l.caFile, append(connect, flag, "-cipher", suite+":@SECLEVEL=0")...)
					expectLift(t, l, out, err, version, slices.Contains(served, suite))
				})
			}
		}
	}
}

func expectLift(t *testing.T, l *tlslift, out string, err error, version string, serve bool) {
	t.Helper()
	if !serve {
		if err == nil || !strings.Contains(out, "handshake failure") {
			t.Errorf("want the alert handshake_failure, got %v:\n%s", err, out)
		}
		l.record(t, map[string]string{"outcome": "refused", "offered": version, "reason": "no_shared_cipher_suite"})
		return
	}
	if err != nil || !strings.Contains(out, "hello from nginx") || !strings.Contains(out, "Verification: OK") {
		t.Errorf("want nginx's answer, got %v:\n%s", err, out)
	}
	l.record(t, map[string]string{"outcome": "lifted", "offered": version, "client_tls": version, "rule": "tls_version", "reason": ""})
}

// The clients that Microsoft 365 refuses are served; each checks the
// certificate against tlslift's CA.
func TestOldClientsAreLifted(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	l := start(t, n.address, n.pki.pem)
	url := "https://" + host + "/"
	_, tlsPort, _ := net.SplitHostPort(l.tls)
	for _, tt := range []struct {
		name    string
		command []string
		offered string
		why     string
	}{
		{"curl at TLS 1.0 through CONNECT", []string{"curl", "-sS", "--tls-max", "1.0", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0",
			"--cacert", l.caFile, "-x", "http://" + l.proxy, url}, "TLS 1.0", "tls_version"},
		{"curl at TLS 1.1 with HTTP/1.0 CONNECT",
			[]string{"curl", "-sS", "--proxy1.0", l.proxy, "--http1.0", "--tls-max", "1.1", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0",
				"--cacert", l.caFile, url}, "TLS 1.1", "tls_version"},
		{"curl at TLS 1.0 to the fixed listener",
			[]string{"curl", "-sS", "--tls-max", "1.0", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0", "--cacert", l.caFile,
				"--connect-to", host + ":443:" + l.tls, url}, "TLS 1.0", "tls_version"},
		{"curl at TLS 1.0, destination by server name",
			[]string{"curl", "-sS", "--tls-max", "1.0", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0", "--cacert", l.caFile,
				"--connect-to", host + ":443:" + l.sni, url}, "TLS 1.0", "tls_version"},
		{"openssl at TLS 1.2 with RSA key exchange",
			[]string{"openssl", "s_client", "-ign_eof", "-proxy", l.proxy, "-connect", host + ":443", "-tls1_2", "-cipher", "AES128-SHA",
				"-verify_return_error", "-CAfile", l.caFile}, "TLS 1.2", "cipher_suites"},
		{"openssl at TLS 1.2 with AES-GCM and RSA key exchange",
			[]string{"openssl", "s_client", "-ign_eof", "-connect", l.tls, "-tls1_2", "-cipher", "AES256-GCM-SHA384",
				"-verify_return_error", "-CAfile", l.caFile}, "TLS 1.2", "cipher_suites"},
		{"openssl at TLS 1.2 with SHA-1 signatures only",
			[]string{"openssl", "s_client", "-ign_eof", "-connect", l.tls, "-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-sigalgs", "RSA+SHA1",
				"-verify_return_error", "-CAfile", l.caFile}, "TLS 1.2", "signature_algorithms"},
		{"gnutls-cli at TLS 1.0", []string{"gnutls-cli", "--x509cafile", l.caFile, "--verify-hostname", host, "--sni-hostname", host,
			"--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.0", "-p", tlsPort, "127.0.0.1"}, "TLS 1.0", "tls_version"},
		// Without AES it is taken for a client that can check only SHA-1.
		{"gnutls-cli at TLS 1.0 with 3DES only and no extensions",
			[]string{"gnutls-cli", "--x509cafile", l.caFile, "--verify-hostname", host, "--disable-sni", "--priority",
				"NONE:+VERS-TLS1.0:+RSA:+3DES-CBC:+SHA1:+COMP-NULL:+SIGN-ALL:%NO_EXTENSIONS:%VERIFY_ALLOW_SIGN_WITH_SHA1",
				"-p", tlsPort, "127.0.0.1"}, "TLS 1.0", "tls_version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := run(t, request, tt.command[0], tt.command[1:]...)
			if !strings.Contains(out, "hello from nginx") {
				t.Errorf("want nginx's answer, got %v:\n%s\n%s", err, out, l.log())
			}
			rec := l.record(t, map[string]string{"outcome": "lifted", "offered": tt.offered, "rule": tt.why})
			if up, _ := rec["upstream_tls"].(string); !strings.Contains(up, "TLS 1.3") {
				t.Errorf("upstream was %q", up)
			}
		})
	}
	if len(l.metric(t, `tlslift_client_connections_total{`, `outcome="lifted"`, `tls_version="TLS 1.0"`)) == 0 {
		t.Error("/metrics does not show the lifted clients")
	}
}

// javaClient gets a page through an HTTP proxy at one old version.
const javaClient = `
import java.io.*; import java.net.*; import java.security.*; import java.security.cert.*; import javax.net.ssl.*;
public class Client {
  public static void main(String[] a) throws Exception {
    KeyStore ks = KeyStore.getInstance(KeyStore.getDefaultType()); ks.load(null);
    ks.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream(a[2])));
    TrustManagerFactory tmf = TrustManagerFactory.getInstance("PKIX"); tmf.init(ks);
    SSLContext ctx = SSLContext.getInstance("TLS"); ctx.init(null, tmf.getTrustManagers(), null);
    URL url = new URL(a[0]);
    String[] p = a[1].split(":");
    Proxy proxy = new Proxy(Proxy.Type.HTTP, new InetSocketAddress(p[0], Integer.parseInt(p[1])));
    HttpsURLConnection c = (HttpsURLConnection) url.openConnection(proxy);
    c.setSSLSocketFactory(ctx.getSocketFactory());
    try (BufferedReader r = new BufferedReader(new InputStreamReader(c.getInputStream()))) { System.out.println(r.readLine()); }
  }
}`

func TestJavaAtTLS10IsLifted(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "java", "javac")
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	l := start(t, n.address, n.pki.pem)
	dir := t.TempDir()
	source, security := filepath.Join(dir, "Client.java"), filepath.Join(dir, "java.security")
	for file, text := range map[string]string{
		source:   javaClient,
		security: "jdk.tls.disabledAlgorithms=\njdk.certpath.disabledAlgorithms=\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for flag, want := range map[string]map[string]string{
		"TLSv1":            {"offered": "TLS 1.0", "rule": "tls_version"},
		"TLSv1.1":          {"offered": "TLS 1.1", "rule": "tls_version"},
		"SSLv2Hello,TLSv1": {"offered": "TLS 1.0", "rule": "hello_format"},
	} {
		out, err := run(t, "", "java", "-Djava.security.properties="+security, "-Djdk.tls.client.protocols="+flag,
			"-Dhttps.protocols="+flag, source, "https://"+host+"/", l.proxy, l.caFile)
		if err != nil || !strings.Contains(out, "hello from nginx") {
			t.Errorf("%s: want nginx's answer, got %v:\n%s\n%s", flag, err, out, l.log())
		}
		want["outcome"] = "lifted"
		l.record(t, want)
	}
}

// A client that Microsoft 365 would serve sees the server's own certificate:
// nothing was decrypted.
func TestModernClientsArePassed(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	l := start(t, n.address, n.pki.pem)
	sum := sha256.Sum256(n.cert.Raw)
	fingerprint := strings.ToUpper(hex.EncodeToString(sum[:]))
	for _, connect := range [][]string{{"-proxy", l.proxy, "-connect", host + ":443"}, {"-connect", l.tls}, {"-connect", l.sni}} {
		for flag, version := range map[string]string{"-tls1_2": "TLS 1.2", "-tls1_3": "TLS 1.3"} {
			out, err := sClient(t, n.rootFile(), append(connect, flag)...)
			if err != nil || !strings.Contains(out, "hello from nginx") {
				t.Errorf("%v %s: want nginx's answer, got %v:\n%s", connect, flag, err, out)
			}
			shown, err := run(t, out, "openssl", "x509", "-noout", "-fingerprint", "-sha256")
			if err != nil || !strings.Contains(strings.ReplaceAll(shown, ":", ""), fingerprint) {
				t.Errorf("%v %s: saw another certificate than nginx's own: %v %s", connect, flag, err, shown)
			}
			rec := l.record(t, map[string]string{"outcome": "passed", "offered": version, "rule": "capable"})
			if rec["client_tls"] != nil || rec["upstream_tls"] != nil {
				t.Errorf("%s: a passed connection has a handshake of ours: %v", flag, rec)
			}
		}
	}
}

// A capable hello that the destination nevertheless refuses is lifted in the
// same connection, and the next one of its kind at once.
func TestPassElseLift(t *testing.T) {
	t.Parallel()
	// This server wants X25519, which the client below does not offer.
	n := startNginx(t, newPKI(t), "ssl_protocols TLSv1.2; ssl_ciphers ECDHE+AESGCM; ssl_ecdh_curve X25519;", false, nil)
	l := start(t, n.address, n.pki.pem)
	for range 2 {
		out, err := sClient(t, l.caFile, "-proxy", l.proxy, "-connect", host+":443", "-tls1_2", "-groups", "P-256")
		if err != nil || !strings.Contains(out, "hello from nginx") || !strings.Contains(out, "Verification: OK") {
			t.Fatalf("want nginx's answer, got %v:\n%s\n%s", err, out, l.log())
		}
		l.record(t, map[string]string{"outcome": "lifted", "offered": "TLS 1.2", "rule": "destination_refused"})
	}
	// Another shape of hello is not affected.
	out, err := sClient(t, n.rootFile(), "-proxy", l.proxy, "-connect", host+":443", "-tls1_2", "-groups", "X25519")
	if err != nil || !strings.Contains(out, "hello from nginx") {
		t.Errorf("want nginx's answer, got %v:\n%s", err, out)
	}
	l.record(t, map[string]string{"outcome": "passed"})
}

// A client that does not trust the certificate is told apart from one that
// fails for another reason: the administrator learns what to import where.
func TestClientsThatRejectTheCertificate(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	l := start(t, n.address, n.pki.pem)
	_, tlsPort, _ := net.SplitHostPort(l.tls)
	for _, tt := range []struct {
		name    string
		command []string
		reason  string
	}{
		{"curl without the CA", []string{"curl", "-sS", "--tls-max", "1.0", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0",
			"--cacert", n.rootFile(), "-x", "http://" + l.proxy, "https://" + host + "/"}, "client_unknown_ca"},
		{"openssl for another name", []string{"openssl", "s_client", "-connect", l.tls, "-tls1", "-cipher", "ALL:@SECLEVEL=0",
			"-CAfile", l.caFile, "-verify_return_error", "-verify_hostname", "other.example"}, "client_rejected_certificate"},
		{"gnutls-cli without the CA closes after the handshake",
			[]string{"gnutls-cli", "--x509cafile", n.rootFile(), "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.0", "-p", tlsPort, "127.0.0.1"},
			"client_rejected_certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if out, err := run(t, request, tt.command[0], tt.command[1:]...); err == nil {
				t.Errorf("want a failure, got:\n%s", out)
			}
			rec := l.record(t, map[string]string{"reason": tt.reason})
			if remedy, _ := rec["remedy"].(string); !strings.Contains(remedy, "CA certificate") {
				t.Errorf("the remedy is %q", remedy)
			}
		})
	}
}

// A client that has only RC4 is served when the operator allows it, and is
// otherwise refused with the setting to change. That it can check SHA-256, which
// its hello does not tell, is in the clients file.
func TestRC4IsServedOnlyWhenAllowed(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	file := filepath.Join(t.TempDir(), "clients.yaml")
	if err := os.WriteFile(file, []byte("clients: [{name: all, network: 127.0.0.0/8, leaf: {hash: sha256}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for setting, outcome := range map[string]string{"": "refused", "rc4": "lifted"} {
		l := start(t, n.address, n.pki.pem, "TLSLIFT_CIPHERS="+setting, "TLSLIFT_CLIENTS_FILE="+file)
		_, tlsPort, _ := net.SplitHostPort(l.tls)
		out, err := run(t, request, "gnutls-cli", "--x509cafile", l.caFile, "--verify-hostname", host, "--sni-hostname", host,
			"--priority", "NONE:+VERS-TLS1.0:+RSA:+ARCFOUR-128:+SHA1:+COMP-NULL:+SIGN-ALL", "-p", tlsPort, "127.0.0.1")
		if served := strings.Contains(out, "hello from nginx"); served != (outcome == "lifted") {
			t.Errorf("TLSLIFT_CIPHERS=%s: served=%v, %v:\n%s", setting, served, err, out)
		}
		rec := l.record(t, map[string]string{"outcome": outcome})
		if remedy, _ := rec["remedy"].(string); outcome == "refused" && !strings.Contains(remedy, "ciphers: [rc4]") {
			t.Errorf("the remedy is %q", remedy)
		}
	}
}
