package check

import (
	"bufio"
	"bytes"
	"encoding/binary"
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

// findNothing is a name server, at one end of a stream, that knows no name (RFC 1035).
func findNothing(conn net.Conn) {
	defer conn.Close()
	size := make([]byte, 2)
	for {
		if _, err := io.ReadFull(conn, size); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size))
		if _, err := io.ReadFull(conn, query); err != nil || len(query) < 12 {
			return
		}
		const header, kindAndClass = 12, 4
		answer := query[:header+bytes.IndexByte(query[header:], 0)+1+kindAndClass]
		copy(answer[2:], []byte{0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0}) // NXDOMAIN, and the question
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}
