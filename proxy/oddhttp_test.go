package proxy_test

import (
	"bufio"
	"cmp"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// answerTo sends all at once and returns the whole answer.
func answerTo(t *testing.T, address, text string) string {
	t.Helper()
	conn := dial(t, address)
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Error(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("after %q: %v", answer, err)
	}
	return string(answer)
}

// Odd HTTP is answered with what is wrong and what to do, and never waited for.
func TestOddHTTP(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	for _, tt := range []struct {
		name, request string
		reason        record.Reason
		status        string // empty means 400
	}{
		{"an empty line first", "\r\nCONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n", record.ReasonHTTPRequestInvalid, ""},
		{"OPTIONS of the proxy itself", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", record.ReasonHTTPRequestInvalid, ""},
		{"two blanks", "CONNECT  " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n", record.ReasonHTTPRequestInvalid, ""},
		{"a blank before the colon", "CONNECT " + target + " HTTP/1.1\r\nHost : " + target + "\r\n\r\n", record.ReasonHTTPRequestInvalid, ""},
		{"no version", "CONNECT " + target + "\r\n\r\n", record.ReasonHTTPRequestInvalid, ""},
		{"no port", "CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n", record.ReasonDestinationInvalid, ""},
		{"no port, HTTP/1.0", "CONNECT " + host + " HTTP/1.0\r\n\r\n", record.ReasonDestinationInvalid, ""},
		{"an endless header", "CONNECT " + target + " HTTP/1.1\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
			record.ReasonHTTPRequestInvalid, "431"},
		{"an expectation", "GET http://" + host + "/ HTTP/1.1\r\nHost: " + host + "\r\nExpect: miracles\r\n\r\n",
			record.ReasonHTTPRequestInvalid, "417"},
		{"two hosts", "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", record.ReasonHTTPRequestInvalid, ""},
		{"a command of mail", "EHLO printer\r\n", record.ReasonHTTPRequestInvalid, ""},
		{"remote desktop", "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", record.ReasonHTTPRequestInvalid, ""},
		{"a zero byte", "\x00", record.ReasonHTTPRequestInvalid, ""},
	} {
		answer := answerTo(t, w.proxy, tt.request)
		rec := w.expect(record.OutcomeRefused, tt.reason)
		for _, part := range []string{"HTTP/1.", "\r\nContent-Length: ", tt.reason.Cause(), tt.reason.Remedy(), "Reason: " + string(tt.reason)} {
			if !strings.Contains(answer, part) {
				t.Errorf("%s: answered %q (%v), want %q", tt.name, answer, rec.Err, part)
			}
		}
		if got := strings.Fields(answer + " - -")[1]; got != cmp.Or(tt.status, "400") {
			t.Errorf("%s: status %s", tt.name, got)
		}
		if n := strings.Count(answer, "HTTP/1."); n != 1 {
			t.Errorf("%s: %d answers: %q", tt.name, n, answer)
		}
	}
}

// A request that is wrong after one that was served gets its explanation too.
func TestOddHTTPAfterRequest(t *testing.T) {
	t.Parallel()
	w := plaintextWorld(t, tells, nil)
	conn := dial(t, w.proxy)
	r := bufio.NewReader(conn)
	if resp, body := ask(t, conn, r, "GET"+https11+"\r\n"); resp.StatusCode != http.StatusOK {
		t.Fatalf("got %s %q", resp.Status, body)
	}
	resp, body := ask(t, conn, r, "GET  http://"+crlHost+"/ HTTP/1.1\r\nHost: "+crlHost+"\r\n\r\n")
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, string(record.ReasonHTTPRequestInvalid)) {
		t.Errorf("got %s %q", resp.Status, body)
	}
	_ = conn.Close()
	w.expect(record.OutcomeRefused, record.ReasonHTTPRequestInvalid)
}

// A SOCKS client gets a refusal that it understands.
func TestSOCKS(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	for _, tt := range []struct{ name, request, want string }{
		{"SOCKS5", "\x05\x01\x00", "\x05\xff"},
		{"SOCKS5 with a password", "\x05\x02\x00\x02", "\x05\xff"},
		{"SOCKS5, one byte", "\x05", "\x05\xff"},
		{"SOCKS4", "\x04\x01\x01\xbb\x01\x02\x03\x04user\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00"},
		{"SOCKS4a", "\x04\x01\x01\xbb\x00\x00\x00\x01\x00" + host + "\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00"},
	} {
		if got := answerTo(t, w.proxy, tt.request); got != tt.want {
			t.Errorf("%s: answered %q, want %q", tt.name, got, tt.want)
		}
		w.expect(record.OutcomeRefused, record.ReasonSOCKSOnProxyPort)
	}
}

// curl says that the proxy refuses SOCKS, in words of its own.
func TestSOCKSOfCurl(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "curl")
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	for _, scheme := range []string{"socks4a", "socks5h"} {
		out, err := exec.CommandContext(t.Context(), "curl", "-sS", "--max-time", "20", "--proxy", scheme+"://"+w.proxy,
			"https://"+host+"/").CombinedOutput()
		if err == nil || strings.Contains(string(out), "timed out") {
			t.Errorf("%s: %s, %v", scheme, out, err)
		}
		w.expect(record.OutcomeRefused, record.ReasonSOCKSOnProxyPort)
	}
}
