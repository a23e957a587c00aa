package e2e

import (
	"net"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A client without any TLS gets through the proxy where that is allowed, in the program
// as it is started. Log, metrics and page say so, as of mail without TLS.
func TestHTTPSForClientsWithoutTLS(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "curl")
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	asked := func(l *tlslift) (string, error) {
		return run(t, "", "curl", "-sS", "--http1.0", "--request-target", "https://"+host+"/", "http://"+l.proxy+"/")
	}

	refuses := start(t, n.address, n.pki.pem)
	out, err := asked(refuses)
	if err != nil || !strings.Contains(out, "plaintext_not_allowed") || !strings.Contains(out, "?plaintext=allow") {
		t.Errorf("refused with %q, %v", out, err)
	}
	refuses.record(t, map[string]string{"outcome": "refused", "reason": "plaintext_not_allowed", "protocol": "http", "destination": host})

	address := testenv.FreeAddress(t)
	allows := prepare(t, nil, n.address, n.pki.pem, "TLSLIFT_LISTEN=proxy://"+address+"?plaintext=allow")
	allows.proxy = address
	allows.run()
	if out, err := asked(allows); err != nil || !strings.Contains(out, "hello from nginx") {
		t.Errorf("got %q, %v", out, err)
	}
	allows.record(t, map[string]string{
		"outcome": "lifted", "rule": "plaintext", "protocol": "http", "offered": "none", "client_tls": "", "upstream_tls": "TLS 1.", "reason": "",
	})
	for _, l := range []*tlslift{refuses, allows} {
		if found := l.metric(t, "tlslift_client_last_legacy_timestamp_seconds{"); len(found) != 1 {
			t.Errorf("the metrics say %q of old clients", found)
		}
		if page := l.get(t, "/clients/127.0.0.1"); !strings.Contains(page, "no TLS") && !strings.Contains(page, "plaintext") {
			t.Errorf("the page does not tell:\n%s", end(page))
		}
		if out := l.ask(t, "clients", "--legacy"); !strings.Contains(out, "127.0.0.1") {
			t.Errorf("tlslift clients --legacy says\n%s", out)
		}
	}
}

// idleServer is a web server that ends an idle connection after a second.
const idleServer = `
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, timeout = "HTTP/1.1", 1
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hello\n")
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
`

// Python's web server ends an idle connection without a close_notify. A lifted client
// that stayed does not count as failing.
func TestIdleWebServerEnds(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	authority, address := newPKI(t), testenv.FreeAddress(t)
	certFile, keyFile, _ := authority.leaf(false, nil)
	_, port, _ := net.SplitHostPort(address)
	testenv.Program{Address: address}.Run(t, "python3", "-c", idleServer, port, certFile, keyFile)
	l := start(t, address, authority.pem)
	out, err := run(t, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n", "openssl", "s_client", "-connect", l.tls, "-servername", host, "-tls1",
		"-cipher", lowestSecurity, "-CAfile", l.caFile, "-quiet")
	if !strings.Contains(out, "hello") {
		t.Errorf("openssl says %q, %v", out, err)
	}
	l.record(t, map[string]string{"outcome": "lifted", "reason": ""})
}
