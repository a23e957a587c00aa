package upstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// An egress is a proxy that answers every CONNECT with the same text. It
// keeps the requests it got.
type egress struct {
	answer   string
	tls      *tls.Config    // nil speaks plain HTTP
	behind   func(net.Conn) // what the tunnel leads to
	requests chan *http.Request
}

func (e *egress) handle(conn net.Conn) {
	if e.tls != nil {
		secure := tls.Server(conn, e.tls)
		defer secure.Close()
		conn = secure
	}
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	e.requests <- request
	_, _ = io.WriteString(conn, e.answer)
	e.behind(conn)
}

func newEgress(t *testing.T, answer string) (*egress, *url.URL) {
	t.Helper()
	e := &egress{answer: answer, behind: echo}
	return e, e.serve(t, "http")
}

func (e *egress) serve(t *testing.T, scheme string) *url.URL {
	t.Helper()
	e.requests = make(chan *http.Request, 1)
	return &url.URL{Scheme: scheme, Host: testenv.Serve(t, e.handle).String()}
}

const connectEstablished = "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"

func TestEgressProxy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config        Config
		user          *url.Userinfo
		host, request string
		authorization string
	}{
		"name":       {host: host, request: host + ":443"},
		"upper case": {host: "Mail.Example.Com.", request: host + ":443"},
		"mapped":     {config: Config{ConnectTo: map[string]string{host + ":443": "192.168.1.1:8443"}}, host: host, request: "192.168.1.1:8443"},
		"credentials": {user: url.UserPassword("Aladdin", "open sesame"), host: host, request: host + ":443",
			authorization: "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
		"no password": {user: url.User("a"), host: host, request: host + ":443", authorization: "Basic YTo="},
		"IPv6":        {host: "2603:1026::1", request: "[2603:1026::1]:443"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy, proxyURL := newEgress(t, connectEstablished)
			proxyURL.User = test.user
			test.config.Proxy = proxyURL
			ctx, cancel := context.WithCancel(t.Context())
			conn, err := newDialer(t, test.config).Dial(ctx, test.host, 443)
			cancel() // must not disturb the tunnel any more
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, is := conn.(*net.TCPConn); !is {
				t.Errorf("got a %T, which cannot be spliced", conn)
			}
			wantEcho(t, conn)
			request := <-proxy.requests
			if request.Method != "CONNECT" || request.RequestURI != test.request || request.Host != test.request {
				t.Errorf("got %s %s, Host %s", request.Method, request.RequestURI, request.Host)
			}
			if got := request.Header.Get("Proxy-Authorization"); got != test.authorization {
				t.Errorf("got authorization %q", got)
			}
			if got := request.UserAgent(); got != "tlslift" {
				t.Errorf("got user agent %q", got)
			}
		})
	}
}

// TestEgressEarlyBytes: a mail server speaks first, and its greeting may come
// in one packet with the proxy's answer.
func TestEgressEarlyBytes(t *testing.T) {
	t.Parallel()
	_, proxyURL := newEgress(t, connectEstablished+"220 mail.example.com ready\r\n")
	conn, err := newDialer(t, Config{Proxy: proxyURL}).Dial(t.Context(), host, 587)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || line != "220 mail.example.com ready\r\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

// TestEgressHTTPS goes through TLS to the proxy and in it to the destination.
// Only the latter gets our client certificate.
func TestEgressHTTPS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	loopback := issue(t, ca, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	proxy := &egress{answer: connectEstablished, tls: &tls.Config{
		Certificates: []tls.Certificate{loopback},
		ClientAuth:   tls.RequestClientCert,
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) > 0 {
				t.Error("the proxy got our client certificate")
			}
			return nil
		},
	}}
	inner := &tls.Config{Certificates: []tls.Certificate{issue(t, ca, nil)}, ClientAuth: tls.RequireAnyClientCert}
	proxy.behind = func(conn net.Conn) { echo(tls.Server(conn, inner)) }
	proxyURL := proxy.serve(t, "https")
	own := issue(t, ca, nil)
	d := newDialer(t, Config{
		Roots: ca.Roots(), Proxy: proxyURL, Certificate: &own,
		ShowsCertificate: func(to string, port uint16) bool { return to == host && port == 443 },
	})
	conn, err := d.Dial(t.Context(), host, 443)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	secure, err := d.Handshake(t.Context(), conn, host, 443, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantEcho(t, secure)

	d = newDialer(t, Config{Roots: newAuthority(t).Roots(), Proxy: proxyURL})
	_, err = d.Dial(t.Context(), host, 443)
	wantReason(t, err, record.ReasonEgressProxyFailed)
	var untrusted *tls.CertificateVerificationError
	if !errors.As(err, &untrusted) {
		t.Errorf("got %v, want it to say that the proxy is not trusted", err)
	}
}

func TestEgressSaysNo(t *testing.T) {
	t.Parallel()
	long := "HTTP/1.1 503 " + strings.Repeat("x", 300)
	tests := map[string]struct {
		answer, want string
		user         *url.Userinfo
	}{
		"forbidden":         {answer: "HTTP/1.1 403 Forbidden\r\nX: y\r\n\r\nbody", want: `answered "HTTP/1.1 403 Forbidden"`},
		"HTTP/1.0, bare LF": {answer: "HTTP/1.0 502 Bad Gateway\n\n", want: `answered "HTTP/1.0 502 Bad Gateway"`},
		"no reason":         {answer: "HTTP/1.1 404\r\n\r\n", want: `answered "HTTP/1.1 404"`},
		"redirect":          {answer: "HTTP/1.1 302 Found\r\n\r\n", want: `answered "HTTP/1.1 302 Found"`},
		"wants credentials": {answer: "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", want: "its URL needs a user name and password"},
		"wrong credentials": {answer: "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", user: url.UserPassword("me", "hunter2"),
			want: "does not accept the user name and password"},
		"control bytes":  {answer: "HTTP/1.1 403 a\x1b[31m\rb\xff\r\n\r\n", want: `answered "HTTP/1.1 403 a�[31m�b�"`},
		"long line":      {answer: long + "\r\n\r\n", want: `answered "` + long[:maxStatusLine-3] + `…"`},
		"not HTTP":       {answer: "SSH-2.0-OpenSSH\r\n\r\n", want: `"SSH-2.0-OpenSSH" is not an HTTP/1 status line`},
		"no status code": {answer: "HTTP/1.1 0200 OK\r\n\r\n", want: `"HTTP/1.1 0200 OK" is not an HTTP/1 status line`},
		"endless header": {answer: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", maxResponseHeader),
			want: "header is longer than 16384 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, proxyURL := newEgress(t, test.answer)
			proxyURL.User = test.user
			_, err := newDialer(t, Config{Proxy: proxyURL}).Dial(t.Context(), host, 443)
			wantReason(t, err, record.ReasonEgressProxyFailed)
			if !strings.Contains(err.Error(), "egress proxy "+proxyURL.Host+": ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if test.user != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "hunter2") {
				t.Errorf("%v has the password", err)
			}
		})
	}
}

func TestEgressBroken(t *testing.T) {
	t.Parallel()
	closes := testenv.Serve(t, readSome)
	refuses := hostPort("127.0.0.1", closedPort(t))
	for name, proxy := range map[string]string{
		"closes":  closes.String(),
		"refuses": refuses,
		"no name": "proxy.invalid:3128",
	} {
		d := newDialer(t, Config{Proxy: &url.URL{Scheme: "http", Host: proxy}, Resolver: nameServer(t, nil)})
		_, err := d.Dial(t.Context(), host, 443)
		if failure := wantReason(t, err, record.ReasonEgressProxyFailed); !strings.Contains(failure.Error(), "reaching "+host+":443: ") {
			t.Errorf("%s: got %q", name, failure)
		}
	}
}

// TestEgressGuards: a proxy may be private, but not be us, and it does not
// help a client to a literal private address.
func TestEgressGuards(t *testing.T) {
	t.Parallel()
	_, proxyURL := newEgress(t, connectEstablished)
	d := newDialer(t, Config{Proxy: proxyURL})
	_, err := d.Dial(t.Context(), "169.254.169.254", 80)
	wantReason(t, err, record.ReasonAddressForbidden)

	d = newDialer(t, Config{Proxy: proxyURL, IsSelf: func(a netip.AddrPort) bool { return a.String() == proxyURL.Host }})
	_, err = d.Dial(t.Context(), host, 443)
	wantReason(t, err, record.ReasonDestinationIsSelf)

	d = newDialer(t, Config{Proxy: proxyURL, IsSelf: func(a netip.AddrPort) bool { return a.String() == "192.0.2.1:443" }})
	_, err = d.Dial(t.Context(), "::ffff:192.0.2.1", 443)
	wantReason(t, err, record.ReasonDestinationIsSelf)
}

func TestEgressEndsWithContext(t *testing.T) {
	t.Parallel()
	expired, expire := newExpiring(t)
	proxyURL := &url.URL{Scheme: "http", Host: testenv.Serve(t, hangAfter(expire)).String()}
	_, err := newDialer(t, Config{Proxy: proxyURL}).Dial(expired, host, 443)
	wantReason(t, err, record.ReasonEgressProxyFailed)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	proxyURL.Host = testenv.Serve(t, hangAfter(cancel)).String()
	_, err = newDialer(t, Config{Proxy: proxyURL}).Dial(ctx, host, 443)
	if err != context.Canceled {
		t.Errorf("got %v, want context.Canceled as it is", err)
	}
}

// TestEgressTooLate: a tunnel that opens after ctx ended is not handed out,
// for its deadline is over.
func TestEgressTooLate(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	proxyURL := &url.URL{Scheme: "http", Host: testenv.Serve(t, func(conn net.Conn) {
		readSome(conn)
		cancel()
		_, _ = io.WriteString(conn, connectEstablished)
		hang(conn)
	}).String()}
	conn, err := newDialer(t, Config{Proxy: proxyURL}).Dial(ctx, host, 443)
	if err != context.Canceled {
		t.Errorf("got %v, %v, want context.Canceled", conn, err)
	}
}

func FuzzProxyResponse(f *testing.F) {
	f.Add([]byte(connectEstablished + "220 early bytes\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 407 No\n\nbody"))
	f.Add([]byte("HTTP/1.1  200\r\nA: b\n\r\n"))
	f.Add([]byte("\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 +20 x\r\n\r\n"))
	f.Add([]byte("HTTP\xd6\xd6/1.1  2O0\x1b[31m\r\nA: b\n\r\n"))
	f.Add(bytes.Repeat([]byte("HTTP/1.1 200 "), 2000))
	f.Fuzz(func(t *testing.T, data []byte) {
		rest := bytes.NewReader(data)
		code, line, err := readConnectResponse(rest)
		header := data[:len(data)-rest.Len()]
		if len(header) > maxResponseHeader {
			t.Errorf("read %d bytes", len(header))
		}
		if len(line) > maxStatusLine || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("line %q is not fit for a log", line)
		}
		if err != nil {
			return
		}
		if code < 0 || code > 999 {
			t.Errorf("got code %d", code)
		}
		// The end of the header is the first empty line, and what follows
		// is still there to be read.
		lines := strings.Split(strings.ReplaceAll(string(header), "\r\n", "\n"), "\n")
		if len(lines) < 3 || lines[len(lines)-1] != "" || lines[len(lines)-2] != "" {
			t.Errorf("header %q does not end with an empty line", header)
		}
		for _, line := range lines[1 : len(lines)-2] {
			if line == "" {
				t.Errorf("header %q has an empty line before its end", header)
			}
		}
	})
}
