package proxy_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A comeback is a real client that connects some times.
type comeback struct {
	name           string
	run            func(t *testing.T, version, address, root string) // version is as in "1.0"
	versions       []string                                          // nil means all below TLS 1.3
	visits, resume int                                               // connections, and how many of them resume a session
}

func openssl(more ...string) func(t *testing.T, version, address, root string) {
	return func(t *testing.T, version, address, root string) {
		flag := map[string]string{"1.0": "-tls1", "1.1": "-tls1_1", "1.2": "-tls1_2"}[version]
		args := []string{"s_client", "-connect", address, "-servername", host, "-CAfile", root, "-verify_return_error", flag,
			"-cipher", "AES128-SHA:@SECLEVEL=0", "-ign_eof"}
		run(t, page, "openssl", append(args, more...)...)
	}
}

// comebacks are clients as they come, with nothing set but what their system forbids; what
// is resumed is what deploy/docs/performance.md says of them.
var comebacks = []comeback{
	{name: "OpenSSL, ticket", run: openssl("-reconnect"), visits: 6, resume: 5},
	{name: "OpenSSL, session ID", run: openssl("-reconnect", "-no_ticket"), visits: 6, resume: 5},
	{name: "GnuTLS", visits: 2, resume: 1, run: func(t *testing.T, version, address, root string) {
		name, port, _ := net.SplitHostPort(address)
		run(t, page, "gnutls-cli", "--x509cafile", root, "--verify-hostname", host, "--sni-hostname", host, "-p", port, "--resume",
			"--priority", "NONE:+VERS-TLS"+version+":+COMP-NULL:+SIGN-ALL:+GROUP-ALL:+RSA:+AES-128-CBC:+SHA1", name)
	}},
	{name: "NSS, ticket", run: nss("-u"), visits: 4, resume: 3},
	{name: "NSS, session ID", run: nss(), visits: 4, resume: 3},
	{name: "curl, one process", visits: 2, resume: 1, run: func(t *testing.T, version, address, root string) {
		curl(t, version, address, root, "https://"+host+"/1", "https://"+host+"/2")
	}},
	{name: "curl, a process each", visits: 2, resume: 0, run: func(t *testing.T, version, address, root string) {
		for range 2 {
			curl(t, version, address, root, "https://"+host+"/")
		}
	}},
	{name: "Python, sessions kept by the program", visits: 3, resume: 2, run: func(t *testing.T, version, address, root string) {
		name, port, _ := net.SplitHostPort(address)
		run(t, "", "python3", "-c", pythonComesBack, version, root, name, port, host)
	}},
	{name: "Java, session ID", run: java("false"), visits: 3, resume: 2},
	{name: "Java, ticket", run: java("true"), visits: 3, resume: 2},
	{name: "Node.js, agent", visits: 3, resume: 2, run: func(t *testing.T, version, address, root string) {
		name, port, _ := net.SplitHostPort(address)
		run(t, "", "node", "--tls-min-v1.0", "-e", nodeComesBack, version, root, name, port, host)
	}},
}

func curl(t *testing.T, version, address, root string, urls ...string) {
	args := []string{"-sS", "-H", "Connection: close", "--tlsv1.0", "--tls-max", version, "--ciphers", "AES128-SHA:@SECLEVEL=0",
		"--cacert", root, "--connect-to", "::" + address}
	run(t, "", "curl", append(args, urls...)...)
}

func nss(more ...string) func(t *testing.T, version, address, root string) {
	return func(t *testing.T, version, address, root string) {
		name, port, _ := net.SplitHostPort(address)
		database := "sql:" + t.TempDir()
		run(t, "", "certutil", "-N", "-d", database, "--empty-password")
		run(t, "", "certutil", "-A", "-d", database, "-n", "root", "-t", "C,,", "-i", root)
		args := append([]string{"-4", "-p", port, "-a", host, "-d", database, "-V", "tls" + version + ":tls" + version, "-C", ":002F",
			"-c", "4", "-t", "1"}, more...)
		run(t, "", "strsclnt", append(args, name)...)
	}
}

const pythonComesBack = `
import socket, ssl, sys
version, root, address, port, host = sys.argv[1:]
c = ssl.create_default_context(cafile=root)
c.minimum_version = c.maximum_version = ssl.TLSVersion["TLSv" + version.replace(".", "_").replace("1_0", "1")]
c.set_ciphers("AES128-SHA:@SECLEVEL=0")
session = None
for i in range(3):
    with c.wrap_socket(socket.create_connection((address, int(port))), server_hostname=host, session=session) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while s.recv(4096): pass
        session = s.session
`

const nodeComesBack = `
const [version, root, address, port, host] = process.argv.slice(1);
const https = require('https'), fs = require('fs');
const agent = new https.Agent({keepAlive: false});
let n = 0;
function next() {
  if (n++ == 3) return;
  https.get({agent, host: address, port, servername: host, ca: fs.readFileSync(root), headers: {Host: host},
    minVersion: 'TLSv' + version.replace('1.0', '1'), maxVersion: 'TLSv' + version.replace('1.0', '1'), ciphers: 'AES128-SHA:@SECLEVEL=0'},
    r => { r.resume(); r.on('end', () => setImmediate(next)); }).on('error', e => { console.error(e); process.exit(1); });
}
next();
`

const javaComesBack = `
import javax.net.ssl.*;
public class Again {
  public static void main(String[] a) throws Exception {
    SSLSocketFactory f = (SSLSocketFactory) SSLSocketFactory.getDefault();
    for (int i = 0; i < 3; i++) {
      SSLSocket s = (SSLSocket) f.createSocket(new java.net.Socket(a[1], Integer.parseInt(a[2])), a[3], 443, true);
      s.setEnabledProtocols(new String[]{a[0].equals("1.0") ? "TLSv1" : "TLSv" + a[0]});
      s.setEnabledCipherSuites(new String[]{"TLS_RSA_WITH_AES_128_CBC_SHA"});
      s.getOutputStream().write("GET / HTTP/1.0\r\n\r\n".getBytes());
      s.getOutputStream().flush();
      s.getInputStream().readAllBytes();
      s.close();
    }
  }
}
`

func java(tickets string) func(t *testing.T, version, address, root string) {
	return func(t *testing.T, version, address, root string) {
		testenv.Need(t, "java", "keytool")
		store := t.TempDir() + "/roots"
		run(t, "", "keytool", "-importcert", "-noprompt", "-alias", "root", "-file", root, "-keystore", store, "-storepass", "secret")
		name, port, _ := net.SplitHostPort(address)
		security := testenv.WriteFile(t, "java.security", []byte("jdk.tls.disabledAlgorithms=\n"))
		run(t, "", "java", "-XX:TieredStopAtLevel=1", "-Djava.security.properties="+security, "-Djavax.net.ssl.trustStore="+store,
			"-Djavax.net.ssl.trustStorePassword=secret", "-Djdk.tls.client.enableSessionTicketExtension="+tickets,
			testenv.WriteFile(t, "Again.java", []byte(javaComesBack)), version, name, port, host)
	}
}

// Real clients that can resume a session do so each time.
func TestResumptionOfRealClients(t *testing.T) {
	t.Parallel()
	for _, c := range comebacks {
		versions := c.versions
		if versions == nil {
			versions = []string{"1.0", "1.2"}
		}
		for _, version := range versions {
			t.Run(fmt.Sprint(c.name, ", TLS ", version), func(t *testing.T) {
				t.Parallel()
				w, root := tls12World(t, false)
				c.run(t, version, w.tls, root)
				resumed := 0
				for range c.visits {
					r := w.record()
					if r.Outcome != record.OutcomeLifted || r.ClientTLS == nil || r.ClientTLS.Version != "TLS "+version {
						t.Fatalf("%s, %v, %v", r.Outcome, r.ClientTLS, r.Err)
					}
					if strings.HasSuffix(r.ClientTLS.String(), " resumed") {
						resumed++
					}
				}
				if resumed != c.resume || len(w.records) > 0 {
					t.Errorf("%d of %d connections resume a session, want %d; %d more", resumed, c.visits, c.resume, len(w.records))
				}
			})
		}
	}
}

// A reload keeps the sessions of clients that resume by session ID, whatever it changes, and
// the kind of the leaf's key is that of the new configuration.
func TestReloadKeepsSessions(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	var cfg proxy.Config
	w := newWorld(t, fake, https(t, fake, fakem365.TLSOptions{}).Addr(), func(c *proxy.Config) { cfg = *c })
	root := testenv.WriteFile(t, "root.pem", testenv.CertificatePEM(w.ca.Certificate()))
	kept := t.TempDir() + "/session"
	openssl("-no_ticket", "-sess_out", kept)(t, "1.0", w.tls, root)
	w.expect(record.OutcomeLifted, "")
	cfg.HandshakeTimeout, cfg.DHBits, cfg.LeafKeyType = patience/2, 2048, clientfile.KeyTypeECDSA
	if err := w.server.Replace(cfg, nil); err != nil {
		t.Fatal(err)
	}
	openssl("-no_ticket", "-sess_in", kept)(t, "1.0", w.tls, root)
	if r := w.expect(record.OutcomeLifted, ""); !r.ClientTLS.Resumed {
		t.Errorf("the session is gone: %s", r.ClientTLS)
	}
	openssl("-cipher", eitherKey+":@SECLEVEL=0")(t, "1.0", w.tls, root)
	if r := w.expect(record.OutcomeLifted, ""); r.ClientTLS.CipherSuite != "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA" {
		t.Errorf("the leaf has another key: %s", r.ClientTLS)
	}
}
