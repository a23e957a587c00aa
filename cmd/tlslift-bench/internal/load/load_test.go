package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/backend"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/identity"
)

// startBackend runs a backend and returns its addresses and directory.
func startBackend(t *testing.T) (backend.Addresses, string) {
	t.Helper()
	dir := t.TempDir()
	if err := identity.Write(dir); err != nil {
		t.Fatal(err)
	}
	in, stop := io.Pipe()
	out, ready := io.Pipe()
	ended := make(chan error, 1)
	serve := func() { ended <- backend.Serve(dir, in, ready) }
	go serve()
	t.Cleanup(func() {
		stop.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var a backend.Addresses
	if err := json.Unmarshal(line, &a); err != nil {
		t.Fatal(err)
	}
	return a, dir
}

// The clients check what they get, and the backend knows what it gets.
func TestClients(t *testing.T) {
	t.Parallel()
	a, dir := startBackend(t)
	target := Target{Address: a.RSA, Roots: []string{filepath.Join(dir, identity.BackendRoot)}, Version: tls.VersionTLS12}
	took, err := target.Connections(t.Context(), 5, 2)
	if err != nil || len(took) != 5 {
		t.Errorf("connections: %v, %v", took, err)
	}
	held := 0
	if err := target.Hold(t.Context(), 3, 0, func() error { held++; return nil }); err != nil || held != 1 {
		t.Errorf("held %d times: %v", held, err)
	}
	target.Address = a.ECDSA
	s, err := target.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, n := range []int64{0, 1, 100_000} {
		if err := s.Download(n); err != nil {
			t.Errorf("download of %d: %v", n, err)
		}
		if err := s.Upload(n); err != nil {
			t.Errorf("upload of %d: %v", n, err)
		}
	}
	target.Address, target.Suite = a.SMTP, ecdhe
	if took, err := target.Mails(t.Context(), 3, 2, 2000); err != nil || len(took) != 3 {
		t.Errorf("mails: %v, %v", took, err)
	}
}

const ecdhe = tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA

// What is not the work that is measured is an error.
func TestRefusals(t *testing.T) {
	t.Parallel()
	a, dir := startBackend(t)
	root, other := filepath.Join(dir, identity.BackendRoot), filepath.Join(dir, identity.ProxyRoot)
	tests := []struct {
		name   string
		target Target
		says   string
	}{
		{"TLS 1.0", Target{Address: a.RSA, Roots: []string{root}, Version: tls.VersionTLS10, Suite: ecdhe}, "handshake"},
		{"another root", Target{Address: a.RSA, Roots: []string{other}, Version: tls.VersionTLS12}, "certificate"},
		{"no TLS at all", Target{Address: a.SMTP, Roots: []string{root}, Version: tls.VersionTLS12}, "handshake"},
		{"no session to resume", Target{Address: a.RSA, Roots: []string{root}, Version: tls.VersionTLS12, Resumes: true}, "not resumed"},
		{"no proxy", Target{Address: a.RSA, Connect: "x:443", Roots: []string{root}, Version: tls.VersionTLS12}, "CONNECT"},
		{"no roots", Target{Address: a.RSA, Roots: []string{"/nonexistent"}, Version: tls.VersionTLS12}, "roots"},
	}
	for _, tt := range tests {
		if _, err := tt.target.Connections(t.Context(), 4, 2); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
	wrong := Target{Version: tls.VersionTLS10, Suite: ecdhe}
	for name, s := range map[string]tls.ConnectionState{
		"version": {Version: tls.VersionTLS12, CipherSuite: ecdhe},
		"suite":   {Version: tls.VersionTLS10, CipherSuite: tls.TLS_RSA_WITH_AES_128_CBC_SHA},
		"resumed": {Version: tls.VersionTLS10, CipherSuite: ecdhe, DidResume: true},
	} {
		if wrong.checkState(s) == nil {
			t.Errorf("another %s was taken for the work", name)
		}
	}
}

// The first error ends all that follows, and is the one that is returned.
func TestEachEndsAtError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var calls atomic.Int32
	_, err := each(t.Context(), 1000, 1, func(_ context.Context, i int) error {
		calls.Add(1)
		if i == 3 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "connection 4 of 1000") || calls.Load() != 4 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
}
