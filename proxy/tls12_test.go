package proxy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// startTime is how long a real client may take: Java compiles its program first.
const startTime = 3 * time.Minute

// run runs a real client with that input, and returns all that it says.
func run(t *testing.T, stdin string, name string, args ...string) string {
	t.Helper()
	testenv.Need(t, name)
	ctx, cancel := context.WithTimeout(t.Context(), startTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// tls12World has a web server that takes nothing but TLS 1.3 if refuses is true:
// then TLS 1.2 clients that could reach Microsoft 365 are lifted after its refusal.
func tls12World(t *testing.T, refuses bool) (w *world, root string) {
	fake := testenv.FakeM365(t)
	o := fakem365.TLSOptions{}
	if refuses {
		o.MinVersion = tls.VersionTLS13
	}
	w = newWorld(t, fake, https(t, fake, o).Addr(), nil)
	return w, testenv.WriteFile(t, "root.pem", testenv.CertificatePEM(w.ca.Certificate()))
}

const page = "GET / HTTP/1.0\r\n\r\n"

// eitherKey are two suites, of which one needs a leaf with an ECDSA key.
const eitherKey = "ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA"

// tls12Clients are real ones, which are given a suite's name in OpenSSL, the address
// of the listener and the root, and ask for the page.
var tls12Clients = map[string]func(t *testing.T, suite, address, root string) string{
	"openssl": func(t *testing.T, suite, address, root string) string {
		return run(t, page, "openssl", "s_client", "-connect", address, "-servername", host, "-verify_hostname", host, "-CAfile", root,
			"-verify_return_error", "-tls1_2", "-cipher", suite+":@SECLEVEL=0", "-ign_eof")
	},
	"gnutls": func(t *testing.T, suite, address, root string) string {
		name, port, _ := net.SplitHostPort(address)
		priority := map[string]string{
			"AES128-SHA": "+RSA:+AES-128-CBC:+SHA1", "ECDHE-RSA-AES128-SHA": "+ECDHE-RSA:+AES-128-CBC:+SHA1",
			"ECDHE-RSA-AES128-GCM-SHA256": "+ECDHE-RSA:+AES-128-GCM:+AEAD", eitherKey: "+ECDHE-RSA:+ECDHE-ECDSA:+AES-128-CBC:+SHA1",
		}[suite]
		return run(t, page, "gnutls-cli", "--x509cafile", root, "--verify-hostname", host, "--sni-hostname", host, "-p", port,
			"--priority", "NONE:+VERS-TLS1.2:+COMP-NULL:+SIGN-ALL:+GROUP-ALL:"+priority, name)
	},
	"curl": func(t *testing.T, suite, address, root string) string {
		return run(t, "", "curl", "-sS", "--tls-max", "1.2", "--ciphers", suite+":@SECLEVEL=0", "--cacert", root,
			"--connect-to", "::"+address, "https://"+host+"/")
	},
	"python3": func(t *testing.T, suite, address, root string) string {
		name, port, _ := net.SplitHostPort(address)
		return run(t, "", "python3", "-c", `
import socket, ssl, sys
suite, root, address, port, host = sys.argv[1:]
c = ssl.create_default_context(cafile=root)
c.maximum_version = ssl.TLSVersion.TLSv1_2
c.set_ciphers(suite + ":@SECLEVEL=0")
with c.wrap_socket(socket.create_connection((address, int(port))), server_hostname=host) as s:
    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    while (b := s.recv(4096)): print(b.decode())
`, suite, root, name, port, host)
	},
	"java": func(t *testing.T, suite, address, root string) string {
		testenv.Need(t, "java", "keytool")
		store := t.TempDir() + "/roots"
		run(t, "", "keytool", "-importcert", "-noprompt", "-alias", "root", "-file", root, "-keystore", store, "-storepass", "secret")
		name, port, _ := net.SplitHostPort(address)
		suite = map[string]string{
			"AES128-SHA": "TLS_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
			"ECDHE-RSA-AES128-GCM-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
			eitherKey:                     "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA:TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
		}[suite]
		source := testenv.WriteFile(t, "Page.java", []byte(javaPage))
		security := testenv.WriteFile(t, "java.security", []byte("jdk.tls.disabledAlgorithms=\n"))
		return run(t, "", "java", "-Djava.security.properties="+security, "-Djavax.net.ssl.trustStore="+store,
			"-Djavax.net.ssl.trustStorePassword=secret", source, suite, name, port, host)
	},
}

const javaPage = `
import javax.net.ssl.*;
import java.util.*;
public class Page {
  public static void main(String[] a) throws Exception {
    SSLSocketFactory f = (SSLSocketFactory) SSLSocketFactory.getDefault();
    java.net.Socket raw = new java.net.Socket(a[1], Integer.parseInt(a[2]));
    SSLSocket s = (SSLSocket) f.createSocket(raw, a[3], 443, true);
    s.setEnabledProtocols(new String[]{"TLSv1.2"});
    s.setEnabledCipherSuites(a[0].split(":"));
    s.getOutputStream().write("GET / HTTP/1.0\r\n\r\n".getBytes());
    s.getOutputStream().flush();
    System.out.write(s.getInputStream().readAllBytes());
    System.out.flush();
  }
}
`

// Real clients of TLS 1.2 are served by RSA key exchange, by ECDHE with CBC, with a leaf
// with an ECDSA key if they can use one, and by ECDHE with GCM after the destination has
// refused them.
func TestTLS12Clients(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		suite, name string
		refuses     bool
		rule        record.Rule
	}{
		{"AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA", false, record.RuleCipherSuites},
		{"ECDHE-RSA-AES128-SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", false, record.RuleCipherSuites},
		{eitherKey, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", false, record.RuleCipherSuites},
		{"ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", true, record.RuleDestinationRefused},
	} {
		for client, get := range tls12Clients {
			t.Run(client+"/"+tt.suite, func(t *testing.T) {
				t.Parallel()
				w, root := tls12World(t, tt.refuses)
				if out := get(t, tt.suite, w.tls, root); !strings.Contains(out, "hello from "+host+" over TLS 1.3") {
					t.Errorf("the client says:\n%s", out)
				}
				r := w.expect(record.OutcomeLifted, "")
				if r.Rule != tt.rule || r.ClientTLS == nil || r.ClientTLS.Version != "TLS 1.2" || r.ClientTLS.CipherSuite != tt.name {
					t.Errorf("rule %s, TLS %+v", r.Rule, r.ClientTLS)
				}
			})
		}
	}
}

// Odd clients of TLS 1.2, which crypto/tls refuses or serves worse.
func TestOddTLS12Clients(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		args   []string
		want   string
		visits int
	}{
		{"a dot after the server name", []string{"-servername", host + "."}, "hello from", 1},
		{"no tickets", []string{"-servername", host, "-no_ticket", "-reconnect"}, "Reused, ", 6},
		{"PSS signatures only", []string{"-servername", host, "-sigalgs", "RSA-PSS+SHA256", "-cipher", "ECDHE-RSA-AES128-SHA:@SECLEVEL=0"},
			"Peer signature type: RSA-PSS", 1},
		{"ChaCha20 only", []string{"-servername", host, "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"}, "hello from", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, root := tls12World(t, false)
			args := append([]string{"s_client", "-connect", w.tls, "-CAfile", root, "-tls1_2", "-ign_eof", "-cipher", "AES128-SHA:@SECLEVEL=0"},
				tt.args...)
			out := run(t, page, "openssl", args...)
			if !strings.Contains(out, tt.want) || !strings.Contains(out, "hello from") {
				t.Errorf("want %q, the client says:\n%s", tt.want, out)
			}
			if n := strings.Count(out, "Reused, "); n != tt.visits-1 {
				t.Errorf("%d sessions are resumed, want %d", n, tt.visits-1)
			}
		})
	}
}

// tap relays to an address, and keeps what comes from there.
func tap(t *testing.T, to string) (address string, came *bytes.Buffer) {
	came = new(bytes.Buffer)
	return testenv.Serve(t, func(conn net.Conn) {
		server := dial(t, to)
		defer server.Close()
		go func() { _, _ = io.Copy(server, conn) }()
		_, _ = io.Copy(conn, io.TeeReader(server, came))
	}).String(), came
}

// A record is as long as the client asked for at most, also in a large download.
func TestMaxFragmentLengthAtTLS12(t *testing.T) {
	t.Parallel()
	w, root := tls12World(t, false)
	address, came := tap(t, w.tls)
	const size = 100000
	out := run(t, fmt.Sprintf("GET /bytes?n=%d HTTP/1.0\r\n\r\n", size), "openssl", "s_client", "-connect", address, "-servername", host,
		"-CAfile", root, "-tls1_2", "-ign_eof", "-quiet", "-cipher", "AES128-SHA:@SECLEVEL=0", "-maxfraglen", "512")
	content, err := io.ReadAll(fakem365.Content(size))
	if err != nil || !strings.Contains(out, string(content)) {
		t.Errorf("got %d bytes without the content, %v", len(out), err)
	}
	w.expect(record.OutcomeLifted, "")
	const protection = 16 + 20 + 16 // initialization vector, MAC and padding
	for b := came.Bytes(); len(b) > 0; {
		n := int(binary.BigEndian.Uint16(b[3:]))
		if n > 512+protection {
			t.Fatalf("a record of type %d has %d bytes", b[0], n)
		}
		b = b[5+n:]
	}
}
