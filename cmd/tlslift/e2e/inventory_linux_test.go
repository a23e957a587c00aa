package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A savedClient is what the tests look at in the state file.
type savedClient struct {
	Client    string    `json:"client"`
	FirstSeen time.Time `json:"first_seen"`
	JA4       string    `json:"ja4"`
	Offered   string    `json:"offered"`
	Outcomes  map[string]int
}

// savedClients are the clients in the state file; nil if there is none.
func savedClients(t *testing.T, stateDir string) map[string]savedClient {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(stateDir, "clients.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var state struct{ Clients []savedClient }
	if err := json.Unmarshal(text, &state); err != nil {
		t.Fatalf("the state file is torn: %v\n%.300s", err, text)
	}
	all := map[string]savedClient{}
	for _, c := range state.Clients {
		all[c.Client] = c
	}
	return all
}

// knock asks for what is not allowed, from an address of the loopback network.
func (l *tlslift) knock(ctx context.Context, from netip.Addr) error {
	dialer := net.Dialer{Timeout: testenv.Patience, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	conn, err := dialer.DialContext(ctx, "tcp", l.proxy)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "CONNECT not.allowed.example:443 HTTP/1.1\r\nHost: not.allowed.example\r\n\r\n"); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(conn, 12))
	return err
}

// knockOn comes from some hundred addresses in turn, until ctx is done.
func (l *tlslift) knockOn(ctx context.Context, first netip.Addr) {
	for ctx.Err() == nil {
		from := first
		for range knockers {
			_ = l.knock(ctx, from) // tlslift is killed some time
			from = from.Next()
		}
	}
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testenv.Patience); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if so() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}

// knockers is how many addresses knockOn comes from.
const knockers = 300

// knockersFile writes a clients file that names some of the addresses of knockOn: what is
// known of a client without a name that is never served is not worth a write.
func knockersFile(t *testing.T, firsts ...netip.Addr) string {
	t.Helper()
	text := []byte("clients:\n")
	for _, from := range firsts {
		for range knockers {
			text = fmt.Appendf(text, "- {name: knocker-%s, address: %s}\n", from, from)
			from = from.Next()
		}
	}
	name := filepath.Join(t.TempDir(), "clients.yaml")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A kill at any moment, also while the state is being written, leaves a whole
// state file, and the next run knows the clients that were in it.
func TestClientsAreKnownAfterAKill(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	known := map[string]savedClient{}
	for round := range 3 {
		var firsts []netip.Addr
		for i := range 4 {
			firsts = append(firsts, netip.AddrFrom4([4]byte{127, byte(10 + round), byte(i * 60), 1}))
		}
		l := start(t, testenv.RefusingAddress(t), newPKI(t).pem, "TLSLIFT_STATE_DIR="+dir, "TLSLIFT_LOG_LEVEL=error",
			"TLSLIFT_CLIENTS_FILE="+knockersFile(t, firsts...))
		ctx, stop := context.WithCancel(t.Context())
		var knocking sync.WaitGroup
		for _, from := range firsts {
			knocking.Go(func() { l.knockOn(ctx, from) })
		}
		await(t, "a state with new clients", func() bool { return len(savedClients(t, dir)) > len(known) })
		l.kill()
		stop()
		knocking.Wait()
		now := savedClients(t, dir)
		for name, c := range known {
			if !now[name].FirstSeen.Equal(c.FirstSeen) {
				t.Fatalf("%s was first seen at %v, after a kill at %v", name, c.FirstSeen, now[name].FirstSeen)
			}
		}
		t.Logf("round %d: %d clients", round, len(now))
		known = now
	}
	if _, err := os.Stat(filepath.Join(dir, "clients.json.broken")); err == nil {
		t.Error("a state file was set aside")
	}
}

// What a client speaks is in the state file after an ordinary stop, and a
// damaged file keeps nobody from being served.
func TestStateOfClients(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "clients.json"), []byte(`{"version":1,"cli`), 0o600); err != nil {
		t.Fatal(err)
	}
	l := start(t, n.address, n.pki.pem, "TLSLIFT_STATE_DIR="+dir)
	ca := filepath.Join(dir, "ca", "ca.pem")
	if out, err := run(t, "", "curl", "-sS", "--tls-max", "1.0", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0", "--cacert", ca,
		"-x", "http://"+l.proxy, "https://"+host+"/"); err != nil {
		t.Errorf("got %v:\n%s", err, out)
	}
	l.stop()
	c := savedClients(t, dir)["127.0.0.1"]
	if c.Offered != "TLS 1.0" || !strings.HasPrefix(c.JA4, "t10d") || c.Outcomes["lifted"] != 1 {
		t.Errorf("got %+v", c)
	}
	if broken, err := os.ReadFile(filepath.Join(dir, "clients.json.broken")); err != nil ||
		!strings.HasPrefix(string(broken), `{"version":1,"cli`) {
		t.Errorf("the damaged file was not set aside: %q, %v", broken, err)
	}
	if !strings.Contains(l.log(), "set aside") {
		t.Errorf("the log does not say so:\n%s", l.log())
	}
}

// smallDisk mounts a file system of its own, which needs root.
func smallDisk(t *testing.T) string {
	t.Helper()
	testenv.NeedRoot(t, "mount")
	dir := t.TempDir()
	if err := syscall.Mount("tlslift-test", dir, "tmpfs", 0, "size=512k"); err != nil {
		testenv.Missing(t, "mounting a small file system: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A full disk costs no client its connection, makes one line in the log, and
// once there is room again everything is saved.
func TestClientsOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t)
	dir, first := filepath.Join(disk, "state"), netip.AddrFrom4([4]byte{127, 20, 0, 1})
	l := start(t, testenv.RefusingAddress(t), newPKI(t).pem, "TLSLIFT_STATE_DIR="+dir, "TLSLIFT_CLIENTS_FILE="+knockersFile(t, first))
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, bytes.Repeat([]byte("x"), 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	for from, n := first, 0; n < 40; from, n = from.Next(), n+1 {
		if err := l.knock(t.Context(), from); err != nil {
			t.Error(err)
		}
	}
	await(t, "a line about the disk", func() bool { return strings.Contains(l.log(), "cannot be saved") })
	if resp, err := http.Get("http://" + l.admin + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("not ready: %v, %v", resp, err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	l.stop()
	if n := strings.Count(l.log(), "cannot be saved"); n != 1 {
		t.Errorf("the log has %d lines:\n%s", n, l.log())
	}
	if got := len(savedClients(t, dir)); got != 40 {
		t.Errorf("%d clients were saved, want 40", got)
	}
}
