package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// crlHost is a revocation list's host, which is allowed on port 80.
const crlHost = "crl3.digicert.com"

// plainWorld is a world in which crlHost is a web server that tells what it
// was asked.
func plainWorld(t *testing.T) *world {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s host=%s proxy-headers=%q body=%q", r.Method, r.URL, r.Host,
			r.Header.Get("Proxy-Connection")+r.Header.Get("Proxy-Authorization")+r.Header.Get("Upgrade"), body)
	}))
	t.Cleanup(web.Close)
	fake := testenv.FakeM365(t)
	return newWorld(t, fake, echo(t, fake).Addr(), func(c *proxy.Config) {
		c.Upstream.ConnectTo[crlHost+":80"] = web.Listener.Addr().String()
		c.Upstream.ConnectTo["crl4.digicert.com:80"] = "127.0.0.1:1" // nobody listens there
		c.Upstream.ConnectTo["late.office365.example:80"] = web.Listener.Addr().String()
	})
}

// ask sends a raw request and reads one response.
func ask(t *testing.T, conn net.Conn, r *bufio.Reader, request string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	_ = resp.Body.Close()
	return resp, string(body)
}

// Each request of plain http has a record of its own: the connection ends after the answer.
func TestPlainHTTPForAllowedHosts(t *testing.T) {
	t.Parallel()
	w := plainWorld(t)
	for _, tt := range []struct {
		name, request string
		status        int
		body          string // part of it
		outcome       record.Outcome
		reason        record.Reason
	}{
		{"HTTP/1.1", "GET http://" + crlHost + "/a.crl HTTP/1.1\r\nHost: " + crlHost + "\r\n\r\n", 200, "GET /a.crl host=" + crlHost,
			record.OutcomePassed, ""},
		{"HTTP/1.1, close", "GET http://" + crlHost + "/ HTTP/1.1\r\nHost: " + crlHost + "\r\nConnection: close\r\n\r\n",
			200, "GET /", record.OutcomePassed, ""},
		{"HTTP/1.0", "GET http://" + crlHost + "/ HTTP/1.0\r\n\r\n", 200, "GET /", record.OutcomePassed, ""},
		{"HTTP/1.0 with Proxy-Connection", "GET http://" + crlHost + "/ HTTP/1.0\r\nProxy-Connection: keep-alive\r\n" +
			"Proxy-Authorization: Basic eDp5\r\n\r\n", 200, `proxy-headers=""`, record.OutcomePassed, ""},
		{"HTTP/1.0, keep-alive", "GET http://" + crlHost + "/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "GET /",
			record.OutcomePassed, ""},
		{"an upgrade is not passed on", "GET http://" + crlHost + "/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " +
			"websocket\r\n\r\n", 200, `proxy-headers=""`, record.OutcomePassed, ""},
		{"OCSP by POST", "POST http://" + crlHost + "/ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nDER!", 200, `body="DER!"`,
			record.OutcomePassed, ""},
		{"not allowed", "GET http://www.example.com/ HTTP/1.1\r\nHost: x\r\n\r\n", 403, "TLSLIFT_DESTINATIONS",
			record.OutcomeRefused, record.ReasonDestinationNotAllowed},
		{"address", "GET http://169.254.169.254/latest/meta-data/ HTTP/1.1\r\nHost: x\r\n\r\n", 403, "destination_is_address",
			record.OutcomeRefused, record.ReasonDestinationIsAddress},
		{"port", "GET http://" + crlHost + ":8080/ HTTP/1.1\r\nHost: x\r\n\r\n", 403, "destination_port_not_allowed",
			record.OutcomeRefused, record.ReasonPortNotAllowed},
		{"allowed by Host only", "GET http://www.example.com/ HTTP/1.1\r\nHost: " + crlHost + "\r\n\r\n", 403, "not_allowed",
			record.OutcomeRefused, record.ReasonDestinationNotAllowed},
		{"dead", "GET http://crl4.digicert.com/ HTTP/1.1\r\nHost: x\r\n\r\n", 502, "upstream_connection_refused",
			record.OutcomeFailed, record.ReasonUpstreamRefused},
		{"another scheme", "GET ftp://" + crlHost + "/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http_request_invalid",
			record.OutcomeRefused, record.ReasonHTTPRequestInvalid},
	} {
		conn := dial(t, w.proxy)
		r := bufio.NewReader(conn)
		resp, body := ask(t, conn, r, tt.request)
		if resp.StatusCode != tt.status || !strings.Contains(body, tt.body) {
			t.Errorf("%s: got %d %q, want %d and %q", tt.name, resp.StatusCode, body, tt.status, tt.body)
		}
		if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
			t.Errorf("%s: after the answer came %q, %v", tt.name, rest, err)
		}
		if rec := w.expect(tt.outcome, tt.reason); rec.OfferedVersion != "none" || rec.BytesToClient == 0 {
			t.Errorf("%s: record %+v", tt.name, rec)
		}
	}
}

// A tunnel stands whatever the CONNECT request says about its own connection,
// and whatever HTTP was spoken before it.
func TestConnectVariants(t *testing.T) {
	t.Parallel()
	w := plaintextWorld(t, tells, nil)
	before := "GET" + https11 + "\r\n"
	for _, request := range []string{
		"CONNECT " + target + " HTTP/1.0\r\n\r\n",
		"CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\nConnection: close\r\nProxy-Connection: close\r\n\r\n",
		"CONNECT OUTLOOK.Office365.COM.:443 HTTP/1.1\r\nHost: other.example\r\nProxy-Connection: keep-alive\r\n\r\n",
	} {
		for _, first := range []string{"", before} {
			raw := dial(t, w.proxy)
			r := bufio.NewReader(raw)
			if first != "" {
				ask(t, raw, r, first)
			}
			if _, err := io.WriteString(raw, request); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%q: %v, %v", request, resp, err)
			}
			if want := strings.Fields(request)[2]; resp.Proto != want {
				t.Errorf("%q: answered in %s", request, resp.Proto)
			}
			conn := tls.Client(raw, w.oldConfig())
			if err := conn.HandshakeContext(t.Context()); err != nil {
				t.Errorf("%q: %v", request, err)
			}
			_ = conn.Close()
			if rec := w.expect(record.OutcomeLifted, ""); rec.Destination != target {
				t.Errorf("%q: destination %s", request, rec.Destination)
			}
		}
	}
}

// A name server that does not answer is an honest error in time, and not the
// end of a keep-alive connection.
func TestPlainHTTPWithoutNameServer(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), func(c *proxy.Config) {
		c.HandshakeTimeout = 100 * time.Millisecond
		c.Upstream.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "udp", silent.LocalAddr().String())
		}}
	})
	conn := dial(t, w.proxy)
	resp, body := ask(t, conn, bufio.NewReader(conn), "GET http://"+crlHost+"/ HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("got %d %q, want 504", resp.StatusCode, body)
	}
	w.expect(record.OutcomeFailed, record.ReasonDNSFailed)
}

// A stop ends kept-alive connections that wait for their next request, though
// they may stay for the whole drain timeout.
func TestShutdownEndsIdleKeepAlive(t *testing.T) {
	t.Parallel()
	w := plaintextWorld(t, tells, nil)
	conn := dial(t, w.proxy)
	r := bufio.NewReader(conn)
	ask(t, conn, r, "GET"+https11+"\r\n")
	w.stop()
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("the connection ended with %q, %v", rest, err)
	}
	w.expect(record.OutcomeLifted, "")
}

// A web server cannot make the proxy switch to another protocol, whatever it
// answers; the connection ends, is recorded and gives its place back.
func TestPlainHTTPNeverSwitchesProtocol(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"101 websocket":          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"200 that says Upgrade":  "HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
		"101 to something else":  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n",
		"a status with a secret": "HTTP/1.1 password=xyz\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := testenv.FakeM365(t)
			got := make(chan string, 1)
			web := answering(t, answer, got)
			w := newWorld(t, fake, "", func(c *proxy.Config) {
				c.Upstream.ConnectTo = map[string]string{crlHost + ":80": web}
				c.MaxConnectionsPerClient = 1
			})
			conn := dial(t, w.proxy)
			say(t, conn, "GET http://"+crlHost+"/ HTTP/1.1\r\nHost: "+crlHost+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "" {
				t.Errorf("the client was told %s", resp.Status)
			}
			_, _ = io.WriteString(conn, "SMUGGLED")
			_ = conn.Close()
			if rec := w.record(); rec.Protocol != "http" || strings.Contains(fmt.Sprint(rec.Err), "xyz") {
				t.Errorf("record %+v", rec)
			}
			if after := <-got; strings.Contains(after, "SMUGGLED") {
				t.Errorf("the server got %q after its answer", after)
			}
		})
	}
}

// answering is a server that gives every request the same answer, and tells
// what comes after the request.
func answering(t *testing.T, answer string, after chan<- string) string {
	t.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		r := bufio.NewReader(conn)
		if req, err := http.ReadRequest(r); err == nil {
			_ = req.Body.Close()
		}
		_, _ = io.WriteString(conn, answer)
		rest, _ := io.ReadAll(r)
		after <- string(rest)
	}()
	t.Cleanup(func() { _ = ln.Close(); <-ended })
	return ln.Addr().String()
}

// Plain http goes to no port where TLS or mail is due: commands of mail could
// be in it, and passwords.
func TestPlainHTTPNeverWhereTLSIsDue(t *testing.T) {
	t.Parallel()
	after := make(chan string, 1)
	server := answering(t, "220 mx\r\n", after)
	fake := testenv.FakeM365(t)
	const mx = "contoso-com.mail.protection.outlook.com"
	targets := []string{mx + ":25", "smtp.office365.com:587", host + ":443", host + ":993", host + ":995", host + ":143"}
	w := newWorld(t, fake, "", func(c *proxy.Config) {
		c.Upstream.ConnectTo = map[string]string{}
		for _, target := range targets {
			c.Upstream.ConnectTo[target] = server
		}
	})
	for _, target := range targets {
		conn := dial(t, w.proxy)
		resp, body := ask(t, conn, bufio.NewReader(conn), "POST http://"+target+"/ HTTP/1.0\r\nContent-Length: 6\r\n\r\nDATA\r\n")
		if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, "destination_port_not_allowed") {
			t.Errorf("%s: got %s %q", target, resp.Status, body)
		}
		_ = conn.Close()
		w.expect(record.OutcomeRefused, record.ReasonPortNotAllowed)
	}
}

// A CONNECT that fails after a request in the same connection is answered and recorded
// like any other.
func TestConnectAfterRequest(t *testing.T) {
	t.Parallel()
	w := plaintextWorld(t, tells, nil)
	conn := dial(t, w.proxy)
	r := bufio.NewReader(conn)
	if resp, body := ask(t, conn, r, "GET"+https11+"\r\n"); resp.StatusCode != http.StatusOK {
		t.Fatalf("got %s %q", resp.Status, body)
	}
	resp, _ := ask(t, conn, r, "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n")
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("got %s, want 403", resp.Status)
	}
	_ = conn.Close()
	if rec := w.expect(record.OutcomeRefused, record.ReasonDestinationNotAllowed); rec.Protocol != "unknown" || rec.Destination != "" {
		t.Errorf("record %+v", rec)
	}
}

// What a client sends after a request of plain http goes nowhere: it would be in no record.
func TestNothingFollowsPlainHTTP(t *testing.T) {
	t.Parallel()
	w := plainWorld(t)
	first := "GET http://" + crlHost + "/a HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, second := range []string{
		"GET http://" + crlHost + "/b HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT " + target + " HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		conn := dial(t, w.proxy)
		send(t, conn, first+second)
		answer, err := io.ReadAll(conn)
		if n := strings.Count(string(answer), "HTTP/1.1 "); n != 1 || !strings.Contains(string(answer), "GET /a") {
			t.Errorf("%d answers: %q, %v", n, answer, err)
		}
		_ = conn.Close()
		if rec := w.expect(record.OutcomePassed, ""); rec.Destination != crlHost+":80" {
			t.Errorf("record %+v", rec)
		}
	}
}

// Another policy counts from the next request on, in both directions.
func TestSetPolicy(t *testing.T) {
	t.Parallel()
	w := plainWorld(t)
	const extra = "late.office365.example"
	endpoint, err := policy.ParseEndpoint(extra + ":80")
	if err != nil {
		t.Fatal(err)
	}
	wider, err := m365.New(m365.Worldwide, []policy.Endpoint{endpoint})
	if err != nil {
		t.Fatal(err)
	}
	original, err := m365.New(m365.Worldwide, nil)
	if err != nil {
		t.Fatal(err)
	}
	status := func() int {
		conn := dial(t, w.proxy)
		defer conn.Close()
		resp, _ := ask(t, conn, bufio.NewReader(conn), "GET http://"+extra+"/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		w.record()
		return resp.StatusCode
	}
	for i, p := range []*m365.Policy{nil, wider, original} {
		if p != nil {
			w.server.SetPolicy(p)
		}
		if got := status(); (got == http.StatusForbidden) == (p == wider) {
			t.Errorf("with policy %d the answer is %d", i, got)
		}
	}
}
