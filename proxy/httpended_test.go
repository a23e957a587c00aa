package proxy_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"os/exec"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const (
	wholeAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello you\n"
	halfAnswer  = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhello you\n"
)

// answersOnce is a server that answers one request, and ends the connection when the
// client has sent as many bytes as more.
func answersOnce(t *testing.T, fake *fakem365.Service, answer string, more int, end func(*tls.Conn)) string {
	t.Helper()
	server, err := fake.ServeTLS(fakem365.TLSOptions{}, func(c *tls.Conn) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		_, _ = io.WriteString(c, answer)
		_, _ = io.ReadFull(r, make([]byte, more))
		end(c)
		_, _ = io.Copy(io.Discard, rawOf(c)) // until the client has closed
	})
	if err != nil {
		t.Fatal(err)
	}
	return server.Addr()
}

// A web server may end a connection that is idle in whatever way. In the middle of an
// answer it may not, and a proper end of its TLS does not make up for it.
func TestEndOfWebServer(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*tls.Conn){
		"close_notify": func(c *tls.Conn) { _ = c.CloseWrite() },
		"FIN":          func(c *tls.Conn) { _ = rawOf(c).CloseWrite() },
		"close":        func(c *tls.Conn) { _ = rawOf(c).Close() },
		"reset":        func(c *tls.Conn) { relay.Reset(rawOf(c)) },
	}
	for name, tt := range map[string]struct {
		answer, more string
		want         record.Reason
	}{
		"after an answer":            {wholeAnswer, "", ""},
		"in the middle of an answer": {halfAnswer, "", record.ReasonUpstreamCutOff},
		"after another request":      {wholeAnswer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", record.ReasonUpstreamCutOff},
	} {
		for way, end := range ends {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				fake := testenv.FakeM365(t)
				w := newWorld(t, fake, answersOnce(t, fake, tt.answer, len(tt.more), end), nil)
				tcp := dial(t, w.tls)
				conn := tls.Client(tcp, w.oldConfig())
				say(t, conn, "GET / HTTP/1.1\r\nHost: x\r\n")
				if _, err := io.ReadFull(conn, make([]byte, len(tt.answer))); err != nil && way != "reset" {
					t.Fatal(err)
				}
				if _, err := io.WriteString(conn, tt.more); err != nil && way != "reset" {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, conn)
				_ = tcp.Close()
				w.expect(record.OutcomeLifted, tt.want)
			})
		}
	}
}

// A mid-record end is no end between two exchanges.
func TestEndOfWebServerInARecord(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, answersOnce(t, fake, wholeAnswer, 0, func(c *tls.Conn) {
		_, _ = rawOf(c).Write(partial)
		_ = rawOf(c).CloseWrite()
	}), nil)
	tcp := dial(t, w.tls)
	conn := tls.Client(tcp, w.oldConfig())
	say(t, conn, "GET / HTTP/1.1\r\nHost: x\r\n")
	_, _ = io.Copy(io.Discard, conn)
	_ = tcp.Close()
	w.expect(record.OutcomeLifted, record.ReasonUpstreamCutOff)
}

// A client that leaves in the middle of its request is said to have done so, however it
// leaves.
func TestEndOfWebClient(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*tls.Conn){
		"close_notify": func(c *tls.Conn) { _ = c.CloseWrite() },
		"FIN":          func(c *tls.Conn) { _ = rawOf(c).CloseWrite() },
	} {
		fake := testenv.FakeM365(t)
		w := newWorld(t, fake, echoNothing(t, fake), nil)
		conn := tls.Client(dial(t, w.tls), w.oldConfig())
		say(t, conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nhalf of it")
		end(conn)
		_, _ = io.Copy(io.Discard, conn)
		if rec := w.record(); rec.Reason != record.ReasonClientCutOff {
			t.Errorf("%s: record %+v", name, rec)
		}
	}
}

// echoNothing is a server that reads until its client ends.
func echoNothing(t *testing.T, fake *fakem365.Service) string {
	t.Helper()
	server, err := fake.ServeTLS(fakem365.TLSOptions{}, func(c *tls.Conn) { _, _ = io.Copy(io.Discard, c) })
	if err != nil {
		t.Fatal(err)
	}
	return server.Addr()
}

// curl gets a whole answer from a server that sends no close_notify, and complains of
// half of one.
func TestCurlSeesEndOfWebServer(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "curl")
	for answer, want := range map[string]record.Reason{wholeAnswer: "", halfAnswer: record.ReasonUpstreamCutOff} {
		fake := testenv.FakeM365(t)
		w := newWorld(t, fake, answersOnce(t, fake, answer, 0, func(c *tls.Conn) { _ = rawOf(c).CloseWrite() }), nil)
		out, err := exec.CommandContext(t.Context(), "curl", "-sS", "--max-time", "20", "--proxy", "http://"+w.proxy, "--tlsv1.0", "--tls-max",
			"1.0", "--ciphers", "DEFAULT@SECLEVEL=0", "--cacert", w.ca.CertificateFile(), "https://"+host+"/").CombinedOutput()
		if (err == nil) != (want == "") {
			t.Errorf("curl says %s, %v", out, err)
		}
		w.expect(record.OutcomeLifted, want)
	}
}
