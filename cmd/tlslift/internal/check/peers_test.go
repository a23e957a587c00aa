package check

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/statuspage"
)

// scripted returns a mail server that says one line after the other, each but the first
// after a command.
func scripted(lines ...string) func(net.Conn) {
	return func(conn net.Conn) {
		in := bufio.NewReader(conn)
		for i, line := range lines {
			if i > 0 {
				if _, err := in.ReadString('\n'); err != nil {
					return
				}
			}
			if _, err := io.WriteString(conn, line); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, in) // until the other side closes
	}
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// serveAdmin is the admin address of a tlslift that is ready.
func serveAdmin(t *testing.T, metrics string, destinations ...string) string {
	t.Helper()
	c := inventory.Client{Client: "scanner", Destinations: destinations}
	clients, err := json.Marshal(statuspage.Clients{Clients: []statuspage.Client{{Client: c, Legacy: true}}})
	must(t, err)
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics":
			_, _ = io.WriteString(w, metrics)
		case "/api/v1/clients":
			_, _ = w.Write(clients)
		default:
			_, _ = io.WriteString(w, "ok\n")
		}
	})
}

func serveUnready(t *testing.T) string {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "starting", http.StatusServiceUnavailable) })
}
