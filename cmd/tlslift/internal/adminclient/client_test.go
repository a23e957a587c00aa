package adminclient

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

func TestReachable(t *testing.T) {
	t.Parallel()
	for listen, want := range map[settings.Address]string{
		"127.0.0.1:9465": "127.0.0.1:9465",
		"0.0.0.0:9465":   "127.0.0.1:9465",
		":9465":          "127.0.0.1:9465",
		"[::]:9465":      "[::1]:9465",
		"[::1]:9465":     "[::1]:9465",
		"10.0.0.1:1":     "10.0.0.1:1",
		"localhost:1":    "localhost:1",
	} {
		if got := reachable(listen); got != want {
			t.Errorf("%s: got %s, want %s", listen, got, want)
		}
	}
}

// controls reports whether a terminal would act on s.
func controls(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\r' || unicode.Is(unicode.Cf, r)
	})
}

// What the admin address answers instead of 200 becomes one line that says what
// to do.
func TestAskErrors(t *testing.T) {
	t.Parallel()
	for path, test := range map[string]struct {
		status int
		text   string
		want   string
	}{
		"/secret": {http.StatusUnauthorized, "Unauthorized",
			"it asks for a password; set TLSLIFT_ADMIN_USER to a user of the file of TLSLIFT_ADMIN_WEB_CONFIG_FILE"},
		"/json":    {http.StatusBadRequest, `{"error":"limit is\u001b[2J too high"}`, "/json: limit is"},
		"/other":   {http.StatusNotFound, "no such page", "/other: 404 Not Found; is it a tlslift of the same version?"},
		"/no-json": {http.StatusOK, "ok", "reading the answer about /no-json: "},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(test.status)
			_, _ = io.WriteString(rw, test.text)
		}))
		t.Cleanup(server.Close)
		client := &Client{Address: settings.Address(server.Listener.Addr().String())}
		var into any
		err := client.AskJSON(t.Context(), Question{Path: path}, &into)
		var unreachable UnreachableError
		if err == nil || !strings.Contains(err.Error(), test.want) || controls(err.Error()) || errors.As(err, &unreachable) {
			t.Errorf("%s: got %v, want %q", path, err, test.want)
		}
	}
}
