package fakem365_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func send(t *testing.T, client *fakem365.Client, method, path string, body io.Reader) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, page+path, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.HTTP().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestBytesAndHashAgree(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	client := testenv.Direct(fake, serveHTTPS(t, fake, fakem365.TLSOptions{}))
	const size = 20 << 20
	want := sha256.New()
	if n, err := io.Copy(want, fakem365.Content(size)); err != nil || n != size {
		t.Fatalf("content has %d bytes, %v", n, err)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		down := send(t, client, http.MethodGet, fmt.Sprintf("bytes?n=%d", size), nil)
		if down.ContentLength != size {
			t.Errorf("length %d, want %d", down.ContentLength, size)
		}
		got := sha256.New()
		up := send(t, client, method, "hash", io.TeeReader(down.Body, got))
		answer, err := io.ReadAll(up.Body)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
			t.Errorf("GET /bytes is not what Content is")
		}
		if line := fmt.Sprintf("%x %d\n", want.Sum(nil), size); string(answer) != line {
			t.Errorf("%s /hash answers %q, want %q", method, answer, line)
		}
	}
}

func TestLimitsOfRequests(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	client := testenv.Direct(fake, serveHTTPS(t, fake, fakem365.TLSOptions{}))
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"GET", "bytes", 400},
		{"GET", "bytes?n=-1", 400},
		{"GET", "bytes?n=1073741825", 400},
		{"GET", "bytes?n=9223372036854775808", 400},
		{"GET", "bytes?n=0", 200},
		{"HEAD", "bytes?n=1073741824", 200},
		{"GET", "hash", 405},
		{"GET", "elsewhere", 404},
		{"GET", "?" + strings.Repeat("x", 32<<10), 431},
	} {
		if got := send(t, client, test.method, test.path, nil).StatusCode; got != test.status {
			t.Errorf("%s /%.40s: status %d, want %d", test.method, test.path, got, test.status)
		}
	}
}

// An HTTP/1.0 client finds the end of an answer by its length or by the end of
// the connection, and an HTTP/1.1 client may ask twice.
func TestVersionsOfHTTP(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server := serveHTTPS(t, fake, fakem365.TLSOptions{})
	t.Run("1.0", func(t *testing.T) {
		t.Parallel()
		conn := testenv.DialTLS(t, testenv.Direct(fake, server), target)
		if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		header, body, _ := strings.Cut(string(all), "\r\n\r\n")
		if !strings.HasPrefix(header, "HTTP/1.0 200 ") || !strings.HasPrefix(body, "hello from "+host) ||
			!strings.Contains(header, fmt.Sprintf("Content-Length: %d", len(body))) {
			t.Errorf("answer %q", all)
		}
	})
	t.Run("1.1", func(t *testing.T) {
		t.Parallel()
		conn := testenv.DialTLS(t, testenv.Direct(fake, server), target)
		reader := bufio.NewReader(conn)
		for range 2 {
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil || !strings.HasPrefix(string(body), "hello from "+host) {
				t.Errorf("answer %q, %v", body, err)
			}
		}
	})
}
