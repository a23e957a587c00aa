package e2e

import (
	"net"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// With a limit of open files that is lower than the limit of connections, a flood of
// connections leaves files for the admin address, and clients are still served.
func TestFloodLeavesOpenFiles(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "prlimit")
	p := newPKI(t)
	n := startNginx(t, p, modernTLS, false, nil)
	l := startAs(t, []string{"prlimit", "--nofile=1000:1000"}, n.address, p.pem, "TLSLIFT_MAX_CONNECTIONS_PER_CLIENT=10000")
	for range 1300 {
		conn, err := net.Dial("tcp", l.tls)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	l.record(t, map[string]string{"reason": "shed"})
	l.awaitReady()
	out, err := sClient(t, l.caFile, "-connect", l.tls, "-tls1", "-cipher", "ALL:@SECLEVEL=0")
	if err != nil || !strings.Contains(out, "hello from nginx") {
		t.Errorf("a client in the flood: %v:\n%s", err, out)
	}
	if len(l.metric(t, "tlslift_connections_limit 250")) != 1 || len(l.metric(t, "tlslift_accept_failures_total 0")) != 1 {
		t.Errorf("got %v", l.metric(t, "tlslift_connections_limit", "tlslift_accept_failures_total"))
	}
	if n := strings.Count(l.log(), "limit of open files is too low"); n != 1 {
		t.Errorf("the log says %d times that the limit is too low", n)
	}
	if strings.Contains(l.log(), "too many open files") {
		t.Errorf("files were missing:\n%s", l.log())
	}
}
