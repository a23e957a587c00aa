package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

const transferSize = 100 << 20

// hashServer answers every request with the SHA-256 of its body.
func hashServer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		_, _ = io.Copy(h, r.Body)
		fmt.Fprintln(w, hex.EncodeToString(h.Sum(nil)))
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close(); <-ended })
	return ln.Addr().String()
}

// randomFile writes transferSize random bytes and returns their SHA-256.
func randomFile(t *testing.T, name string) string {
	t.Helper()
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(file, h), rand.Reader, transferSize); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func hashOf(t *testing.T, name string) string {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

var (
	oldTLS    = []string{"--tls-max", "1.0", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0"}
	modernWay = []string{"--tlsv1.2"}
)

func TestLargeTransfers(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	l := start(t, n.address, n.pki.pem)
	want := randomFile(t, filepath.Join(n.root, "large"))
	caFile := bothRoots(t, l, n)
	for outcome, flags := range map[string][]string{"passed": modernWay, "lifted": oldTLS} {
		got := filepath.Join(t.TempDir(), "got")
		common := append([]string{"-sS", "-f", "--cacert", caFile, "-x", "http://" + l.proxy}, flags...)
		if out, err := run(t, "", "curl", append(common, "-o", got, "https://"+host+"/large")...); err != nil {
			t.Fatalf("%s download: %v\n%s", outcome, err, out)
		}
		if h := hashOf(t, got); h != want {
			t.Errorf("%s download: arrived changed: %s, want %s", outcome, h, want)
		}
		down := l.record(t, map[string]string{"outcome": outcome})
		if n, _ := down["bytes_to_client"].(float64); n < transferSize {
			t.Errorf("%s download: counted %v bytes", outcome, n)
		}
		out, err := run(t, "", "curl", append(common, "-T", filepath.Join(n.root, "large"), "https://"+host+"/upload")...)
		if err != nil || strings.TrimSpace(out) != want {
			t.Errorf("%s upload: arrived as %q, want %s (%v)", outcome, out, want, err)
		}
		up := l.record(t, map[string]string{"outcome": outcome})
		if n, _ := up["bytes_from_client"].(float64); n < transferSize {
			t.Errorf("%s upload: counted %v bytes", outcome, n)
		}
	}
}

// bothRoots is a file with tlslift's CA and the upstream's root.
func bothRoots(t *testing.T, l *tlslift, n *nginx) string {
	t.Helper()
	ca, err := os.ReadFile(l.caFile)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "both.pem")
	if err := os.WriteFile(file, append(ca, n.pki.pem...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What is passed goes from socket to socket inside the kernel.
func TestPassedBytesAreSpliced(t *testing.T) {
	t.Parallel()
	onlyLinux(t)
	testenv.Need(t, "strace")
	if out, err := run(t, "", "strace", "-e", "trace=none", "true"); err != nil {
		t.Skipf("tracing is not permitted here: %s", out)
	}
	n := startNginx(t, newPKI(t), modernTLS, false, nil)
	trace := filepath.Join(t.TempDir(), "trace")
	l := startAs(t, []string{"strace", "-D", "-f", "-qq", "-e", "trace=splice", "-e", "signal=none", "-o", trace}, n.address, n.pki.pem)
	want := randomFile(t, filepath.Join(n.root, "large"))
	got := filepath.Join(t.TempDir(), "got")
	if out, err := run(t, "", "curl", "-sS", "-f", "--cacert", bothRoots(t, l, n), "-x", "http://"+l.proxy, "-o", got,
		"https://"+host+"/large"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if hashOf(t, got) != want {
		t.Error("arrived changed")
	}
	l.record(t, map[string]string{"outcome": "passed"})
	l.stop() // strace has written everything when both have ended
	if moved := splicedBytes(t, trace); moved < transferSize {
		t.Errorf("the kernel spliced only %d of %d bytes", moved, transferSize)
	}
}

// splicedBytes adds up what splice moved into pipes, as strace saw it.
func splicedBytes(t *testing.T, trace string) int64 {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for line := range strings.Lines(string(text)) {
		_, result, found := strings.Cut(line, ") = ")
		var n int64
		if found && strings.Contains(line, "splice") {
			if _, err := fmt.Sscan(result, &n); err == nil && n > 0 {
				sum += n
			}
		}
	}
	return sum / 2 // once into the pipe, once out of it
}
