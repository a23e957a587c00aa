package admin

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

func ready() error { return nil }

// A stub answers with its text and the path.
type stub string

func (s stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, string(s)+" "+r.URL.Path)
}

func ask(h http.Handler, method, path string) *http.Response {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	r.Host = "localhost"
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAdminAnswers(t *testing.T) {
	t.Parallel()
	loading := func() error { return errors.New("the CA is not loaded") }
	for _, tc := range []struct {
		method, path string
		ready        func() error
		status       int
		body         string
	}{
		{"GET", "/healthz", loading, 200, "ok\n"},
		{"HEAD", "/healthz", loading, 200, ""},
		{"GET", "/readyz", ready, 200, "ok\n"},
		{"GET", "/readyz", loading, 503, "the CA is not loaded\n"},
		{"HEAD", "/metrics", ready, 200, ""},
		{"POST", "/metrics", ready, 405, "method not allowed\n"},
		{"PUT", "/readyz", ready, 405, "method not allowed\n"},
		{"DELETE", "/nowhere", ready, 405, "method not allowed\n"},
		{"GET", "/", ready, 404, "404 page not found\n"},
		{"GET", "/healthz/", ready, 404, "404 page not found\n"},
		{"GET", "/metrics/x", ready, 404, "404 page not found\n"},
		{"GET", "/debug/pprof/", ready, 404, "404 page not found\n"},
	} {
		t.Run(tc.method+tc.path, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(NewHandler(Options{Metrics: stub(""), Ready: tc.ready}))
			defer server.Close()
			req, err := http.NewRequestWithContext(t.Context(), tc.method, server.URL+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got := body(t, resp); resp.StatusCode != tc.status || got != tc.body {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, got, tc.status, tc.body)
			}
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if allow := resp.Header.Get("Allow"); (allow == "GET, HEAD") != (tc.status == 405) {
				t.Errorf("Allow is %q", allow)
			}
		})
	}
}

func TestAdminServesPages(t *testing.T) {
	t.Parallel()
	admin := NewHandler(Options{Metrics: stub("metrics"), Ready: ready, Pages: stub("page")})
	for path, want := range map[string]string{
		"/": "page /", "/clients/a": "page /clients/a", "/metrics": "metrics /metrics", "/healthz": "ok\n",
	} {
		if got := body(t, ask(admin, "GET", path)); got != want {
			t.Errorf("%s: got %q", path, got)
		}
	}
	if resp := ask(admin, "POST", "/"); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d", resp.StatusCode)
	}
}

// pipeListener accepts one connection that is not a socket, so that time in
// the test can be synthetic.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// withServer runs talk as a client of a NewServer in synthetic time.
func withServer(t *testing.T, talk func(t *testing.T, conn net.Conn)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln := &pipeListener{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
		server := NewServer(NewHandler(Options{Metrics: stub("metrics"), Ready: ready}))
		done := make(chan error)
		go func() { done <- server.Serve(ln) }()
		ours, theirs := net.Pipe()
		ln.conns <- theirs
		talk(t, ours)
		if err := ours.Close(); err != nil {
			t.Error(err)
		}
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

func TestServerLeavesSlowPeers(t *testing.T) {
	for name, sent := range map[string]string{
		"half a header":    "GET /healthz HTTP/1.1\r\nHost: a\r\n",
		"nothing":          "",
		"idle after reply": "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			withServer(t, func(t *testing.T, conn net.Conn) {
				if _, err := io.WriteString(conn, sent); err != nil {
					t.Fatal(err)
				}
				// Returns only when the server closes the connection; else the bubble
				// deadlocks, which fails the test.
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestServerRefusesHugeHeaders(t *testing.T) {
	withServer(t, func(t *testing.T, conn net.Conn) {
		wrote := make(chan struct{})
		go func() {
			defer close(wrote)
			// Fails when the server closes the connection.
			_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d, want 431", resp.StatusCode)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Error(err)
		}
		<-wrote
	})
}
