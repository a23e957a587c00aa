package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// secureWeb is a web server of fake as names, with TLS.
func secureWeb(t *testing.T, fake *fakem365.Service, o fakem365.CertOptions, handler http.HandlerFunc) string {
	t.Helper()
	cert, err := fake.Certificate(o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(handler)
	web.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	t.Cleanup(web.Close)
	return web.Listener.Addr().String()
}

// tells is a web server that tells what it was asked.
func tells(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	fmt.Fprintf(w, "%s %s host=%s proto=%s alpn=%s hop=%q body=%q", r.Method, r.URL, r.Host, r.Proto, r.TLS.NegotiatedProtocol,
		r.Header.Get("Proxy-Connection")+r.Header.Get("Proxy-Authorization")+r.Header.Get("Upgrade")+r.Header.Get("Keep-Alive")+
			r.Header.Get("X-Hop"), body)
}

// plaintextWorld is a world whose proxy:// listener has plaintext=allow.
func plaintextWorld(t *testing.T, handler http.HandlerFunc, change func(*proxy.Config)) *world {
	t.Helper()
	fake := testenv.FakeM365(t)
	web := secureWeb(t, fake, fakem365.CertOptions{Names: []string{host}}, handler)
	return newWorld(t, fake, web, func(c *proxy.Config) {
		c.Listeners[0].Plaintext = true
		if change != nil {
			change(c)
		}
	})
}

const https11 = " https://" + host + "/ews HTTP/1.1\r\nHost: " + host + "\r\n"

// What a client without TLS asks for goes inside verified TLS, where that is allowed.
func TestPlainHTTPS(t *testing.T) {
	t.Parallel()
	w := plaintextWorld(t, tells, nil)
	for _, tt := range []struct {
		name, request string
		body          string // part of it
		closes        bool   // the proxy ends the connection after the answer
	}{
		{"GET", "GET" + https11 + "\r\n", "GET /ews host=" + host + " proto=HTTP/1.1 alpn=http/1.1", false},
		{"with a port", "GET https://" + host + ":443/a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a?b=c host=" + host, false},
		{"HTTP/1.0", "GET https://" + host + "/ HTTP/1.0\r\n\r\n", "GET / host=" + host + " proto=HTTP/1.1", true},
		{"HTTP/1.0, keep-alive", "GET https://" + host + "/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / ", false},
		{"close", "GET" + https11 + "Connection: close\r\n\r\n", "GET /ews", true},
		{"POST", "POST" + https11 + "Content-Length: 7\r\n\r\n<soap/>", `body="<soap/>"`, false},
		{"POST in HTTP/1.0", "POST https://" + host + "/ HTTP/1.0\r\nContent-Length: 7\r\n\r\n<soap/>", `body="<soap/>"`, true},
		{"PUT in chunks", "PUT" + https11 + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", `body="abcdefg"`, false},
		{"an empty body", "DELETE" + https11 + "Content-Length: 0\r\n\r\n", `DELETE /ews`, false},
		{"headers of the connection", "GET" + https11 + "Connection: keep-alive, X-Hop\r\nX-Hop: a\r\nKeep-Alive: 3\r\nProxy-Connection: " +
			"keep-alive\r\nProxy-Authorization: Basic eDp5\r\nUpgrade: h2c\r\n\r\n", `hop=""`, false},
	} {
		conn := dial(t, w.proxy)
		r := bufio.NewReader(conn)
		resp, body := ask(t, conn, r, tt.request)
		if resp.StatusCode != 200 || !strings.Contains(body, tt.body) {
			t.Errorf("%s: got %d %q, want %q", tt.name, resp.StatusCode, body, tt.body)
		}
		if !tt.closes {
			if _, body := ask(t, conn, r, "GET https://"+host+"/again HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.Contains(body, "/again") {
				t.Errorf("%s: the next request got %q", tt.name, body)
			}
			_ = conn.CloseWrite()
		}
		if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
			t.Errorf("%s: after the answer came %q, %v", tt.name, rest, err)
		}
		rec := w.expect(record.OutcomeLifted, "")
		if rec.Rule != record.RulePlaintext || rec.Protocol != "http" || rec.OfferedVersion != "none" || rec.Destination != target ||
			rec.ClientTLS != nil || rec.UpstreamTLS == nil || rec.Need() != record.NeedLifting || rec.BytesToClient == 0 {
			t.Errorf("%s: record %+v", tt.name, rec)
		}
	}
}

// A body that waits for the destination's permission is sent when that comes.
func TestPlainHTTPSExpectContinue(t *testing.T) {
	t.Parallel()
	w := plaintextWorld(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		tells(w, r)
	}, nil)
	for path, want := range map[string]int{"/yes": http.StatusContinue, "/no": http.StatusUnauthorized} {
		conn := dial(t, w.proxy)
		r := bufio.NewReader(conn)
		resp, _ := ask(t, conn, r, "POST https://"+host+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
		if resp.StatusCode != want {
			t.Errorf("%s: got %s, want %d", path, resp.Status, want)
		}
		if want == http.StatusContinue {
			if resp, body := ask(t, conn, r, "body"); resp.StatusCode != 200 || !strings.Contains(body, `body="body"`) {
				t.Errorf("got %s %q", resp.Status, body)
			}
		}
		_ = conn.Close()
		w.expect(record.OutcomeLifted, "")
	}
}

// One connection may go to several destinations, with and without TLS. Its record is
// lifted if one of them was.
func TestPlainHTTPSAndPlainHTTP(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a list") }))
	t.Cleanup(web.Close)
	w := plaintextWorld(t, tells, func(c *proxy.Config) { c.Upstream.ConnectTo[crlHost+":80"] = web.Listener.Addr().String() })
	conn := dial(t, w.proxy)
	r := bufio.NewReader(conn)
	for range 2 {
		if _, body := ask(t, conn, r, "GET"+https11+"\r\n"); !strings.HasPrefix(body, "GET /ews") {
			t.Errorf("got %q", body)
		}
	}
	if _, body := ask(t, conn, r, "GET http://"+crlHost+"/ HTTP/1.1\r\nHost: x\r\n\r\n"); body != "a list" {
		t.Errorf("got %q", body)
	}
	_ = conn.Close()
	if rec := w.expect(record.OutcomeLifted, ""); rec.Rule != record.RulePlaintext || rec.Destination != crlHost+":80" {
		t.Errorf("record %+v", rec)
	}

	// A tunnel after that is a connection of its own.
	conn = dial(t, w.proxy)
	ask(t, conn, bufio.NewReader(conn), "GET"+https11+"\r\n")
	tunnel := bufio.NewReader(conn)
	say(t, conn, "CONNECT "+target+" HTTP/1.1\r\nHost: x\r\n")
	if resp, err := http.ReadResponse(tunnel, &http.Request{Method: http.MethodConnect}); err != nil || resp.StatusCode != 200 {
		t.Fatalf("CONNECT: %v, %v", resp, err)
	}
	secure := tls.Client(conn, w.oldConfig())
	if err := secure.HandshakeContext(t.Context()); err != nil {
		t.Error(err)
	}
	_ = secure.Close()
	if rec := w.expect(record.OutcomeLifted, ""); rec.Rule == record.RulePlaintext || rec.ClientTLS == nil {
		t.Errorf("record %+v", rec)
	}
}

// Without plaintext=allow nothing is sent on, and the answer names the option.
func TestPlainHTTPSIsRefused(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	asked := make(chan string, 10)
	web := secureWeb(t, fake, fakem365.CertOptions{Names: []string{host}}, func(_ http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
	})
	w := newWorld(t, fake, web, nil)
	for _, tt := range []struct {
		file   string
		status int
		reason record.Reason
	}{
		{"", 403, record.ReasonPlaintextNotAllowed},
		{"clients:\n- {name: scanner, address: 127.0.0.1, plaintext: allow}\n", 200, ""},
		{"clients:\n- {name: scanner, address: 127.0.0.1, plaintext: refuse}\n", 403, record.ReasonPlaintextNotAllowed},
	} {
		if tt.file != "" {
			w.server.SetClients(table(t, tt.file))
		}
		conn := dial(t, w.proxy)
		resp, body := ask(t, conn, bufio.NewReader(conn), "POST"+https11+"Content-Length: 6\r\n\r\nsecret")
		if resp.StatusCode != tt.status || tt.reason != "" && !strings.Contains(body, "?plaintext=allow") {
			t.Errorf("%q: got %s %q", tt.file, resp.Status, body)
		}
		_ = conn.Close()
		rec := w.record()
		if rec.Reason != tt.reason || rec.Need() != record.NeedLifting || rec.Destination != target || rec.Protocol != "http" {
			t.Errorf("%q: record %+v", tt.file, rec)
		}
	}
	if n := len(asked); n != 1 {
		t.Errorf("the destination was asked %d times", n)
	}
}

// A destination that cannot be reached or verified is answered with the status and the
// reason of the table.
func TestPlainHTTPSFailures(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	stranger := testenv.FakeM365(t)
	web := func(by *fakem365.Service, o fakem365.CertOptions) string { return secureWeb(t, by, o, tells) }
	silent := testenv.Serve(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	mails := make(chan string, 10)
	mail := testenv.Serve(t, func(conn net.Conn) { mails <- conn.RemoteAddr().String() })
	w := newWorld(t, fake, web(stranger, fakem365.CertOptions{Names: []string{host}}), func(c *proxy.Config) {
		c.Listeners[0].Plaintext, c.Listeners[0].Address = true, testenv.FreeAddress(t)
		c.HandshakeTimeout = time.Second
		for name, to := range map[string]string{
			"outlook.office.com:443":        web(fake, fakem365.CertOptions{Names: []string{"other.example"}}),
			"www.office.com:443":            "127.0.0.1:1",
			"login.windows.net:443":         silent.String(),
			"login.microsoftonline.com:443": c.Listeners[0].Address,
			"smtp.office365.com:587":        mail.String(),
			host + ":993":                   mail.String(),
		} {
			c.Upstream.ConnectTo[name] = to
		}
	})
	for _, tt := range []struct {
		url    string
		status int
		reason record.Reason
	}{
		{"https://" + host + "/", 502, record.ReasonUpstreamCertUntrusted},
		{"https://outlook.office.com/", 502, record.ReasonUpstreamCertName},
		{"https://www.office.com/", 502, record.ReasonUpstreamRefused},
		{"https://login.windows.net/", 504, record.ReasonUpstreamTimeout},
		{"https://login.microsoftonline.com/", 403, record.ReasonDestinationIsSelf},
		{"https://www.example.com/", 403, record.ReasonDestinationNotAllowed},
		{"https://169.254.169.254/", 403, record.ReasonDestinationIsAddress},
		{"https://" + host + ":8443/", 403, record.ReasonPortNotAllowed},
		{"https://" + host + ":993/", 403, record.ReasonPortNotAllowed},
		{"https://smtp.office365.com:587/", 403, record.ReasonPortNotAllowed},
		{"http://" + host + ":443/", 403, record.ReasonPortNotAllowed},
		{"wss://" + host + "/", 400, record.ReasonHTTPRequestInvalid},
	} {
		conn := dial(t, w.proxy)
		r := bufio.NewReader(conn)
		resp, body := ask(t, conn, r, "POST "+tt.url+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
		if resp.StatusCode != tt.status || !strings.Contains(body, tt.reason.Remedy()) {
			t.Errorf("%s: got %s %q, want %d %s", tt.url, resp.Status, body, tt.status, tt.reason)
		}
		if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
			t.Errorf("%s: after the answer came %q, %v", tt.url, rest, err)
		}
		_ = conn.Close()
		w.expect(tt.reason.Outcome(), tt.reason)
	}
	if len(mails) > 0 {
		t.Error("a port of mail was reached")
	}
}

// A client that sends all of a large request before it reads gets its refusal.
func TestPlainHTTPSRefusalOfLargeRequest(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	conn := dial(t, w.proxy)
	const size = 12 << 20
	say(t, conn, fmt.Sprintf("POST https://%s/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n", host, size))
	if _, err := conn.Write(make([]byte, size)); err != nil {
		t.Error(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("got %v, %v", resp, err)
	}
	_ = conn.Close()
	w.expect(record.OutcomeRefused, record.ReasonPlaintextNotAllowed)
}

// Half an answer never looks whole, and has a reason.
func TestPlainHTTPSTruncated(t *testing.T) {
	t.Parallel()
	const proto = "HTTP/1.1 200 OK\r\n"
	for name, tt := range map[string]struct {
		answer string
		whole  bool // with a close_notify
	}{
		"with a length":         {proto + "Content-Length: 100\r\n\r\nhalf of it", false},
		"in chunks":             {proto + "Transfer-Encoding: chunked\r\n\r\na\r\nhalf of it\r\n", false},
		"up to the end":         {proto + "\r\nhalf of it", false},
		"up to a proper end":    {proto + "\r\nhalf of it", true},
		"HTTP/1.0 up to an end": {"HTTP/1.0 200 OK\r\n\r\nhalf of it", false},
	} {
		for _, version := range []string{"HTTP/1.0", "HTTP/1.1"} {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				fake := testenv.FakeM365(t)
				server, err := fake.ServeTLS(fakem365.TLSOptions{}, func(c *tls.Conn) {
					if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
						return
					}
					_, _ = io.WriteString(c, tt.answer)
					if tt.whole {
						_ = c.CloseWrite()
					}
					_ = rawOf(c).Close()
				})
				if err != nil {
					t.Fatal(err)
				}
				w := newWorld(t, fake, server.Addr(), func(c *proxy.Config) { c.Listeners[0].Plaintext = true })
				conn := dial(t, w.proxy)
				say(t, conn, "GET https://"+host+"/ "+version+"\r\nHost: x\r\n")
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if string(body) != "half of it" && !relay.IsReset(err) || (err == nil) != tt.whole {
					t.Errorf("the client got %q, %v", body, err)
				}
				want := record.ReasonUpstreamCutOff
				if tt.whole {
					want = ""
				}
				_ = conn.Close()
				w.expect(record.OutcomeLifted, want)
			})
		}
	}
}

// A client that goes away takes its request with it, and is said to have done so.
func TestPlainHTTPSClientGoesAway(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		request string
		read    int // what the client reads before it goes
	}{
		"before the answer":            {"GET" + https11 + "\r\n", 0},
		"in the middle of the answer":  {"GET" + https11 + "X-Begin: yes\r\n\r\n", 20},
		"in the middle of the request": {"POST" + https11 + "Content-Length: 100\r\n\r\nhalf of it", 0},
	} {
		for end, leave := range map[string]func(*net.TCPConn){
			"closes": func(c *net.TCPConn) { _ = c.Close() },
			"resets": func(c *net.TCPConn) { relay.Reset(c) },
		} {
			t.Run(name+" "+end, func(t *testing.T) {
				t.Parallel()
				asked, gone := make(chan struct{}), make(chan struct{})
				w := plaintextWorld(t, func(w http.ResponseWriter, r *http.Request) {
					close(asked)
					if r.Header.Get("X-Begin") != "" {
						_, _ = io.WriteString(w, "the beginning")
						_ = http.NewResponseController(w).Flush()
					}
					_, _ = io.Copy(io.Discard, r.Body)
					<-r.Context().Done()
					close(gone)
				}, nil)
				conn := dial(t, w.proxy)
				if _, err := io.WriteString(conn, tt.request); err != nil {
					t.Fatal(err)
				}
				<-asked
				if _, err := io.ReadFull(conn, make([]byte, tt.read)); err != nil {
					t.Fatal(err)
				}
				leave(conn)
				<-gone
				if rec := w.record(); rec.Reason != record.ReasonClientCutOff {
					t.Errorf("record %+v", rec)
				}
			})
		}
	}
}

// Each part of an answer is sent on when it comes.
func TestPlainHTTPSStreams(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	w := plaintextWorld(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "event\n")
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	}, nil)
	conn := dial(t, w.proxy)
	say(t, conn, "GET"+https11)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(resp.Body)
	for range 3 {
		if line, err := lines.ReadString('\n'); err != nil || line != "event\n" {
			t.Fatalf("got %q, %v", line, err)
		}
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("the answer ended with %q, %v", rest, err)
	}
	_ = resp.Body.Close()
	_ = conn.Close()
	w.expect(record.OutcomeLifted, "")
}

// A destination that stops in the middle of its answer is not waited for forever.
func TestPlainHTTPSIdle(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/body", "/nothing"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			w := plaintextWorld(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/body" {
					_, _ = io.WriteString(w, "the beginning")
					_ = http.NewResponseController(w).Flush()
				}
				<-r.Context().Done()
			}, func(c *proxy.Config) { c.IdleTimeout = 500 * time.Millisecond })
			conn := dial(t, w.proxy)
			say(t, conn, "GET https://"+host+path+" HTTP/1.1\r\nHost: x\r\n")
			_, _ = io.ReadAll(conn)
			rec := w.record()
			if rec.Reason != record.ReasonIdleTimeout && (path == "/body" || rec.Reason != record.ReasonUpstreamTimeout) {
				t.Errorf("record %+v", rec)
			}
		})
	}
}

// Real clients without TLS.
func TestPlainHTTPSRealClients(t *testing.T) {
	t.Parallel()
	w := plaintextWorld(t, tells, nil)
	address, port, _ := net.SplitHostPort(w.proxy)
	const python = `
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=20)
for body in ("<one/>", "<two/>"):
    c.request("POST", sys.argv[3], body)
    print(c.getresponse().read().decode())
`
	curl := func(more ...string) []string {
		return append(more, "-sS", "--max-time", "20", "--request-target", "https://"+host+"/a", "http://"+w.proxy+"/")
	}
	for _, tt := range []struct {
		program string
		args    []string
		want    []string
	}{
		{"curl", curl(), []string{"GET /a host=" + host}},
		{"curl", curl("-0", "-d", "<soap/>"), []string{`body="<soap/>"`}},
		{"curl", curl("-H", "Expect: 100-continue", "-H", "Transfer-Encoding: chunked", "-d", "<soap/>"), []string{`body="<soap/>"`}},
		{"python3", []string{"-c", python, address, port, "https://" + host + "/EWS"}, []string{`body="<one/>"`, `body="<two/>"`}},
		{"bash", []string{"-c", `exec 3<>/dev/tcp/` + address + `/` + port + `
			printf 'GET https://` + host + `/a HTTP/1.0\r\n\r\n' >&3; cat <&3`}, []string{"HTTP/1.0 200 OK", "GET /a host=" + host}},
	} {
		t.Run(tt.program, func(t *testing.T) {
			testenv.Need(t, tt.program)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			out, err := exec.CommandContext(ctx, tt.program, tt.args...).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v", out, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("%q: got %q, want %q", tt.args, out, want)
				}
			}
			w.expect(record.OutcomeLifted, "")
		})
	}
}

// Half an answer to plain http never looks whole either.
func TestPlainHTTPTruncated(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	for name, answer := range map[string]string{
		"with a length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it",
		"in chunks":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf of it\r\n",
	} {
		for _, version := range []string{"HTTP/1.0", "HTTP/1.1"} {
			web := testenv.Serve(t, func(conn net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					_, _ = io.WriteString(conn, answer)
				}
			})
			w := newWorld(t, fake, "", func(c *proxy.Config) { c.Upstream.ConnectTo = map[string]string{crlHost + ":80": web.String()} })
			conn := dial(t, w.proxy)
			say(t, conn, "GET http://"+crlHost+"/ "+version+"\r\nHost: x\r\n")
			_, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil {
				_, err = io.ReadAll(conn)
			}
			if !errors.Is(err, io.ErrUnexpectedEOF) && !relay.IsReset(err) {
				t.Errorf("%s, %s: the client saw %v", name, version, err)
			}
			_ = conn.Close()
			w.expect(record.OutcomePassed, record.ReasonUpstreamCutOff)
		}
	}
}
