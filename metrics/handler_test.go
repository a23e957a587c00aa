package metrics

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func ask(h http.Handler, header http.Header) *http.Response {
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header = header
	w := httptest.NewRecorder()
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

func TestFormatsOfTheExposition(t *testing.T) {
	t.Parallel()
	handler := withStory().Handler()
	const line = `tlslift_connections_active{listener="proxy://127.0.0.1:3128"} 1`
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		resp := ask(handler, nil)
		if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain; version=0.0.4") {
			t.Errorf("Content-Type is %q", got)
		}
		if !strings.Contains(body(t, resp), line) {
			t.Errorf("lacks %s", line)
		}
	})
	t.Run("OpenMetrics", func(t *testing.T) {
		t.Parallel()
		resp := ask(handler, http.Header{"Accept": {"application/openmetrics-text; version=1.0.0"}})
		if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/openmetrics-text; version=1.0.0") {
			t.Errorf("Content-Type is %q", got)
		}
		if got := body(t, resp); !strings.HasSuffix(got, "# EOF\n") || !strings.Contains(got, "tlslift_connections_active") {
			t.Errorf("not OpenMetrics: %s", got)
		}
	})
	t.Run("gzip", func(t *testing.T) {
		t.Parallel()
		resp := ask(handler, http.Header{"Accept-Encoding": {"gzip"}})
		if got := resp.Header.Get("Content-Encoding"); got != "gzip" {
			t.Fatalf("Content-Encoding is %q", got)
		}
		r, err := gzip.NewReader(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || !strings.Contains(string(text), line) {
			t.Errorf("unpacking: %v; lacks %s", err, line)
		}
	})
}
