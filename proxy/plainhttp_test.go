package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A mail relay on an odd port was reached without TLS, and a request of HTTP delivered
// mail there. Plain http goes to port 80 of hosts that have no other port, with the
// methods that downloads and OCSP take.
func TestPlainHTTPIsForCertificatesOnly(t *testing.T) {
	t.Parallel()
	after := make(chan string, 1)
	server := answering(t, "220 relay\r\n", after)
	const relay, web = "relay.contoso.com", "www.contoso.com"
	w := newWorld(t, testenv.FakeM365(t), "", func(c *proxy.Config) {
		added := testenv.Endpoints(t, relay+":2525", web+":80", web+":443", web+":8080", "*.both.example:80,443")
		var err error
		if c.Policy, err = m365.New(m365.Worldwide, added); err != nil {
			t.Fatal(err)
		}
		c.Upstream.ConnectTo = map[string]string{
			relay + ":2525": server, web + ":8080": server, "a.both.example:80": server, host + ":80": server, crlHost + ":80": server,
		}
	})
	for _, tt := range []struct {
		request string
		status  int
		reason  record.Reason
	}{
		{"NOOP http://" + relay + ":2525/", 403, record.ReasonPortNotAllowed},
		{"POST http://" + relay + ":2525/", 403, record.ReasonPortNotAllowed},
		{"GET http://" + web + ":8080/", 403, record.ReasonPortNotAllowed},
		{"GET http://a.both.example/", 403, record.ReasonPortNotAllowed},
		{"GET http://" + host + "/", 403, record.ReasonPortNotAllowed},
		{"NOOP http://" + crlHost + "/", 405, record.ReasonHTTPRequestInvalid},
		{"PUT http://" + crlHost + "/", 405, record.ReasonHTTPRequestInvalid},
		{"EHLO http://" + crlHost + "/", 405, record.ReasonHTTPRequestInvalid},
	} {
		conn := dial(t, w.proxy)
		resp, body := ask(t, conn, bufio.NewReader(conn), tt.request+" HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nMAIL FROM:<>")
		if resp.StatusCode != tt.status || !strings.Contains(body, string(tt.reason)) {
			t.Errorf("%s: got %s %q", tt.request, resp.Status, body)
		}
		_ = conn.Close()
		w.expect(record.OutcomeRefused, tt.reason)
	}
	select {
	case got := <-after:
		t.Errorf("the server got %q", got)
	default:
	}
}

// What signs in goes nowhere without TLS.
func TestPlainHTTPHasNoCredentials(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q %q %q", r.Header["Authorization"], r.Header["Cookie"], r.Header["If-None-Match"])
	}))
	t.Cleanup(web.Close)
	w := newWorld(t, testenv.FakeM365(t), "", func(c *proxy.Config) {
		c.Upstream.ConnectTo = map[string]string{crlHost + ":80": web.Listener.Addr().String()}
	})
	for _, method := range []string{"GET", "POST"} {
		conn := dial(t, w.proxy)
		_, body := ask(t, conn, bufio.NewReader(conn), method+" http://"+crlHost+"/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\n"+
			"cookie: a=b\r\nCookie: c=d\r\nIf-None-Match: e\r\nConnection: close\r\n\r\n")
		if body != `[] [] ["e"]` {
			t.Errorf("%s: the destination got %s", method, body)
		}
		_, _ = io.Copy(io.Discard, conn)
		w.expect(record.OutcomePassed, "")
	}
}

// What signs in can come in other places than in a header of that name. Nothing is added
// that the client has not sent.
func TestPlainHTTPHasNoCredentialsElsewhere(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %v %q %q %v %v", body, err, r.Host, r.RequestURI, r.Header, r.Trailer)
	}))
	t.Cleanup(web.Close)
	w := newWorld(t, testenv.FakeM365(t), "", func(c *proxy.Config) {
		c.Upstream.ConnectTo = map[string]string{crlHost + ":80": web.Listener.Addr().String()}
	})
	const chunked = "Transfer-Encoding: chunked\r\n"
	for name, request := range map[string]string{
		"trailer": "POST http://" + crlHost + "/ HTTP/1.1\r\nHost: x\r\n" + chunked +
			"Trailer: Cookie, Authorization\r\n\r\n2\r\nhi\r\n0\r\nCookie: secret\r\nAuthorization: secret\r\n\r\n",
		"trailer without being announced": "POST http://" + crlHost + "/ HTTP/1.1\r\nHost: x\r\n" + chunked +
			"\r\n2\r\nhi\r\n0\r\nCookie: secret\r\n\r\n",
		"address": "POST http://me:secret@" + crlHost + "/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
		"folded header": "POST http://" + crlHost + "/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nauthorization:\r\n secret\r\n" +
			"Proxy-Authorization: secret\r\n\r\nhi",
	} {
		conn := dial(t, w.proxy)
		_, body := ask(t, conn, bufio.NewReader(conn), request)
		if !strings.HasPrefix(body, "hi <nil> ") || strings.Contains(body, "secret") || strings.Contains(body, "Cookie") ||
			strings.Contains(body, "User-Agent") {
			t.Errorf("%s: the destination got %s", name, body)
		}
		_, _ = io.Copy(io.Discard, conn)
		w.expect(record.OutcomePassed, "")
	}
}

// Which hosts have plain http follows from their ports.
func TestHasPlainHTTP(t *testing.T) {
	t.Parallel()
	p, err := policy.New("a test", testenv.Endpoints(t,
		"crl.example:80", "*.cdn.example:80", "web.cdn.example:443", "both.example:80,443", "odd.example:81"))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"crl.example": true, "CRL.example": true, "a.cdn.example": true, "web.cdn.example": true,
		"both.example": false, "odd.example": false, "other.example": false, "": false,
	} {
		if p.HasPlainHTTP(host) != want {
			t.Errorf("%s: %v", host, !want)
		}
	}
}
