package e2e

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// With a limit of open files that is lower than the limit of connections, a flood of
// connections leaves files for the admin address, for a client that is connected, for one
// with a name, and for one without: connections that wait for their turn do not use up what
// is reserved.
func TestFloodLeavesOpenFiles(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "prlimit")
	p := newPKI(t)
	n := startNginx(t, p, modernTLS, false, nil)
	clients := filepath.Join(t.TempDir(), "clients.yaml")
	if err := os.WriteFile(clients, []byte("clients:\n- {name: scanner, address: 127.0.0.9}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := startAs(t, []string{"prlimit", "--nofile=1000:1000"}, n.address, p.pem, "TLSLIFT_MAX_CONNECTIONS_PER_CLIENT=10000",
		"TLSLIFT_CLIENTS_FILE="+clients)
	witness := newOldClient(t, l)
	for i := range 1300 {
		conn, err := net.Dial("tcp", l.tls)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if i%50 > 0 {
			continue
		}
		resp, err := l.http.Get("http://" + l.admin + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
			t.Errorf("not ready with %d connections: %s", i, resp.Status)
		}
		if err := witness.get(); err != nil {
			t.Fatalf("the client that is connected: %v", err)
		}
	}
	l.record(t, map[string]string{"reason": "shed"})
	for _, from := range []string{"127.0.0.1", "127.0.0.9"} {
		out, err := sClient(t, l.caFile, "-connect", l.tls, "-bind", from, "-tls1", "-cipher", "ALL:@SECLEVEL=0")
		if err != nil || !strings.Contains(out, "hello from nginx") {
			t.Errorf("a client in the flood, from %s: %v:\n%s", from, err, out)
		}
	}
	for _, want := range []string{"tlslift_connections_limit 245", "tlslift_accept_failures_total 0"} {
		if name, _, _ := strings.Cut(want, " "); len(l.metric(t, want)) != 1 {
			t.Errorf("got %q, want %s", l.metric(t, name), want)
		}
	}
	if n := strings.Count(l.log(), "limit of open files is too low"); n != 1 {
		t.Errorf("the log says %d times that the limit is too low", n)
	}
	if strings.Contains(l.log(), "too many open files") {
		t.Errorf("files were missing:\n%s", l.log())
	}
}
