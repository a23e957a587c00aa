package adminclient

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

// What answers in the place of tlslift cannot write to the administrator's terminal.
func TestHealthHasNoEscapes(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "ok\x1b]0;owned\a\x1b[2J\u202etxt\u009b31m and more")
		}))
		t.Cleanup(server.Close)
		client := &Client{Address: settings.Address(server.Listener.Addr().String())}
		answer, err := client.Health(t.Context())
		if err != nil {
			answer = err.Error()
		}
		if controls(answer) || !strings.Contains(answer, "and more") {
			t.Errorf("status %d: %q", status, answer)
		}
	}
}
