package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
		conn := dial(t, l.tls)
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
	for _, want := range []string{"tlslift_connections_limit 194", "tlslift_accept_failures_total 0"} {
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

// openFiles returns the numbers of the files that the program has open.
func (l *tlslift) openFiles(t *testing.T) (all []int) {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// hasConnections reports whether the kernel has connections of a server on 127.0.0.1 that
// are not closed yet.
func hasConnections(t *testing.T, address string) bool {
	t.Helper()
	all, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	const established, closeWait = "01", "08"
	port := netip.MustParseAddrPort(address).Port()
	for line := range strings.Lines(string(all)) {
		f := strings.Fields(line)
		if strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && (f[3] == established || f[3] == closeWait) {
			return true
		}
	}
	return false
}

// limitFiles sets the limit of open files of the running program.
func (l *tlslift) limitFiles(t *testing.T, limit int) {
	t.Helper()
	if out, err := run(t, "", "prlimit", fmt.Sprint("--pid=", l.cmd.Process.Pid), fmt.Sprintf("--nofile=%d:", limit)); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
}

// When files are missing all the same, as by a limit that is lowered later, clients wait and
// get an answer that says why; there is one line for all the time; and everything goes on by
// itself.
func TestLackOfOpenFiles(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "prlimit")
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	l := start(t, n.address, n.pki.pem)
	l.http.CloseIdleConnections()
	for _, address := range []string{l.admin, l.proxy, l.tls, l.sni} {
		await(t, "an address without connections", func() bool { return !hasConnections(t, address) })
	}
	var files []int
	await(t, "files that stay open", func() bool {
		before := files
		files = l.openFiles(t)
		return slices.Equal(files, before)
	})
	limit := 0 // of which one is free
	for free := 0; free < 1; limit++ {
		if !slices.Contains(files, limit) {
			free++
		}
	}
	l.limitFiles(t, limit)
	idle := dial(t, l.tls)
	defer idle.Close()
	await(t, "a connection that has the last file", func() bool { return len(l.openFiles(t)) > len(files) })
	conn := dial(t, l.proxy)
	defer conn.Close()
	if _, err := io.WriteString(conn, "CONNECT "+host+":443 HTTP/1.1\r\nHost: "+host+":443\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	await(t, "a line about the lack of files", func() bool { return strings.Contains(l.log(), "no connection is accepted") })
	_ = idle.Close()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a client without a file for its destination: %v, %v", resp, err)
	}
	l.record(t, map[string]string{"reason": "too_many_open_files", "remedy": "LimitNOFILE"})
	l.limitFiles(t, 1000)
	if err := newOldClient(t, l).get(); err != nil {
		t.Errorf("a client after that: %v", err)
	}
	if n := strings.Count(l.log(), "no connection is accepted"); n != 1 {
		t.Errorf("the log says %d times that no connection is accepted:\n%s", n, l.log())
	}
	if got := l.metric(t, "tlslift_accept_failures_total "); len(got) != 3 || !strings.HasSuffix(got[2], " 1") {
		t.Errorf("got %q", got)
	}
}
