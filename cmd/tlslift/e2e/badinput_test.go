package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// captured is a first flight of a real client.
func captured(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "proxy", "clienthello", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// noise is 64 KiB that begin with the given bytes.
func noise(first ...byte) []byte {
	b := make([]byte, 64<<10)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	copy(b, first)
	return b
}

// alert is a fatal alert record in a version.
func alert(version, description byte) string {
	return string([]byte{21, 3, version, 0, 2, 2, description})
}

// exchange sends bytes, optionally half-closes, and reads all of the answer.
func exchange(t *testing.T, address string, send []byte, halfClose bool) string {
	t.Helper()
	conn := dial(t, address)
	var sending sync.WaitGroup
	sending.Go(func() {
		_, _ = conn.Write(send)
		if halfClose {
			_ = conn.CloseWrite()
		}
	})
	answer, err := io.ReadAll(conn)
	_ = conn.Close()
	sending.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) && len(answer) == 0 {
		t.Errorf("reading the answer: %v", err)
	}
	return string(answer)
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(testenv.Patience)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// oldClient is a TLS 1.0 client through CONNECT that keeps its connection.
type oldClient struct {
	conn *tls.Conn
	r    *bufio.Reader
}

func newOldClient(t *testing.T, l *tlslift) *oldClient {
	t.Helper()
	raw := dial(t, l.proxy)
	t.Cleanup(func() { _ = raw.Close() })
	if _, err := io.WriteString(raw, "CONNECT "+host+":443 HTTP/1.1\r\nHost: "+host+":443\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(raw), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("CONNECT: %v %v", resp, err)
	}
	pem, err := os.ReadFile(l.caFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	conn := tls.Client(raw, &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10})
	return &oldClient{conn: conn, r: bufio.NewReader(conn)}
}

// get asks for the page over the kept connection.
func (c *oldClient) get() error {
	if _, err := io.WriteString(c.conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err == nil && string(body) != "hello from nginx\n" {
		return errors.New("got another page: " + string(body))
	}
	return err
}

// Each bad input gets the right error in its own protocol, is counted with a
// reason, and disturbs nobody else.
func TestBadInput(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	l := start(t, n.address, n.pki.pem,
		"TLSLIFT_CONNECT_TO="+host+":443="+n.address+",smtp.office365.com:587={proxy}")
	witness := newOldClient(t, l)
	if err := witness.get(); err != nil {
		t.Fatalf("the witness before: %v\n%s", err, l.log())
	}
	hello := captured(t, "openssl-1.0.0-tls1.bin")
	connect := func(target string) []byte {
		return []byte("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n")
	}
	for _, tt := range []struct {
		name      string
		address   string
		send      []byte
		halfClose bool
		answer    string // how the answer begins
		reason    string
	}{
		{"plain HTTP on a TLS port", l.tls, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), false, "HTTP/1.1 400 ", "http_on_tls_port"},
		{"TLS on the proxy port", l.proxy, hello, false, alert(1, 10), "tls_on_proxy_port"},
		{"SSLv2-format hello on the proxy port", l.proxy, captured(t, "openssl-0.9.8-default.bin"), false, alert(1, 10), "tls_on_proxy_port"},
		{"SSL 3.0 hello", l.tls, captured(t, "openssl-0.9.8-ssl3.bin"), false, alert(0, 40), "ssl3_only"},
		{"truncated hello", l.tls, hello[:len(hello)/2], true, "", "hello_truncated"},
		{"hello with a broken length", l.tls, append([]byte{22, 3, 1, 0, 8, 1, 0, 0, 4, 3, 1, 0, 0}, noise()...), false, alert(1, 50),
			"hello_malformed"},
		{"64 KiB of noise on a TLS port", l.tls, noise(0), false, alert(1, 10), "not_tls"},
		{"64 KiB of noise that begins like TLS", l.tls, noise(22, 3, 1, 64, 0, 1, 1, 0, 1, 3, 1), false, alert(1, 22), "hello_too_large"},
		{"64 KiB of noise on the proxy port", l.proxy, noise('A'), false, "HTTP/1.1 400 ", "http_request_invalid"},
		{"nothing", l.tls, nil, true, "", "closed_before_hello"},
		{"nothing on the proxy port", l.proxy, nil, true, "", "closed_before_hello"},
		{"PROXY header from a stranger", l.tls, []byte("PROXY TCP4 10.0.0.1 10.0.0.2 1 443\r\n"), false, "", "proxy_header_untrusted"},
		{"a request that is not for a proxy", l.proxy, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), false, "HTTP/1.1 400 ",
			"http_request_invalid"},
		{"absolute-form https", l.proxy, []byte("GET https://" + host + "/ HTTP/1.1\r\nHost: x\r\n\r\n"), true, "HTTP/1.1 403 ",
			"plaintext_not_allowed"},
		{"an oversized header", l.proxy, []byte("GET http://" + host + "/ HTTP/1.1\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n"), false,
			"HTTP/1.1 431 ", "http_request_invalid"},
		{"CONNECT to a host that is not allowed", l.proxy, connect("www.example.com:443"), false, "HTTP/1.1 403 ", "destination_not_allowed"},
		{"CONNECT to a name that only looks allowed", l.proxy, connect(host + ".evil.example:443"), false, "HTTP/1.1 403 ",
			"destination_not_allowed"},
		{"CONNECT to a port that is not allowed", l.proxy, connect(host + ":22"), false, "HTTP/1.1 403 ", "destination_port_not_allowed"},
		{"CONNECT to loopback", l.proxy, connect("127.0.0.1:443"), false, "HTTP/1.1 403 ", "destination_is_address"},
		{"CONNECT to IPv6 loopback", l.proxy, connect("[::1]:443"), false, "HTTP/1.1 403 ", "destination_is_address"},
		{"CONNECT to cloud metadata", l.proxy, connect("169.254.169.254:80"), false, "HTTP/1.1 403 ", "destination_is_address"},
		{"CONNECT to an address in disguise", l.proxy, connect("2130706433:443"), false, "HTTP/1.1 403 ", "destination_is_address"},
		{"CONNECT to ourselves", l.proxy, connect("smtp.office365.com:587"), false, "HTTP/1.1 403 ", "destination_is_self"},
		{"CONNECT in HTTP/1.0 is answered in HTTP/1.0", l.proxy, []byte("CONNECT www.example.com:443 HTTP/1.0\r\n\r\n"), false, "HTTP/1.0 403 ",
			"destination_not_allowed"},
		{"CONNECT without a port", l.proxy, connect(host), false, "HTTP/1.1 400 ", "destination_invalid"},
		{"absolute-form to a host that is not allowed", l.proxy, []byte("GET http://www.example.com/ HTTP/1.0\r\n\r\n"), false, "HTTP/1.0 403 ",
			"destination_not_allowed"},
		{"server name that is not allowed", l.sni, clientHello(t, "www.example.com"), false, alert(1, 49), "destination_not_allowed"},
		{"no server name", l.sni, captured(t, "openssl-0.9.8-tls1.bin"), false, alert(1, 112), "no_server_name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := exchange(t, tt.address, tt.send, tt.halfClose)
			if !strings.HasPrefix(got, tt.answer) || tt.answer == "" && got != "" {
				t.Errorf("answered %q, want %q", got, tt.answer)
			}
			rec := l.record(t, map[string]string{"reason": tt.reason})
			if strings.HasPrefix(got, "HTTP/1.1 403") && !strings.Contains(got, rec["remedy"].(string)) {
				t.Errorf("the answer does not say what to change: %q", got)
			}
			if len(l.metric(t, "tlslift_client_failures_total{", `"`+tt.reason+`"`)) != 1 {
				t.Errorf("%s is not counted", tt.reason)
			}
		})
	}
	if err := witness.get(); err != nil {
		t.Errorf("the witness was disturbed: %v", err)
	}
}

// clientHello is a TLS 1.0 hello of crypto/tls that names a server.
func clientHello(t *testing.T, name string) []byte {
	t.Helper()
	near, far := net.Pipe()
	var client sync.WaitGroup
	client.Go(func() {
		_ = tls.Client(near, &tls.Config{ServerName: name, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}).Handshake()
	})
	header := make([]byte, 5)
	if _, err := io.ReadFull(far, header); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(header[3])<<8|int(header[4]))
	if _, err := io.ReadFull(far, body); err != nil {
		t.Fatal(err)
	}
	_ = far.Close()
	_ = near.Close()
	client.Wait()
	return bytes.Join([][]byte{header, body}, nil)
}

// A client that trickles bytes is given up when its time is over, however
// often it sends one.
func TestTricklingClients(t *testing.T) {
	t.Parallel()
	l := start(t, testenv.RefusingAddress(t), newPKI(t).pem, "TLSLIFT_HANDSHAKE_TIMEOUT=1s")
	for name, tt := range map[string]struct {
		address string
		send    []byte
		answer  string
	}{
		"TLS port":   {l.tls, captured(t, "openssl-1.0.0-tls1.bin"), alert(1, 40)},
		"proxy port": {l.proxy, []byte("CONNECT " + strings.Repeat("x", 1000)), "HTTP/1.1 408 "},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, tt.address)
			stop := make(chan struct{})
			var trickle sync.WaitGroup
			trickle.Go(func() {
				pace := time.NewTicker(50 * time.Millisecond) // slow on purpose
				defer pace.Stop()
				for _, b := range tt.send {
					select {
					case <-stop:
						return
					case <-pace.C:
						_, _ = conn.Write([]byte{b})
					}
				}
			})
			got := make([]byte, len(tt.answer))
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != tt.answer {
				t.Errorf("answered %q, %v; want %q", got, err, tt.answer)
			}
			close(stop)
			trickle.Wait()
			_ = conn.Close()
			l.record(t, map[string]string{"outcome": "failed", "reason": "hello_timeout"})
		})
	}
}
