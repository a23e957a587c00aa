package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func clientOf(admin string) *adminclient.Client {
	return &adminclient.Client{Address: settings.Address(admin)}
}

// lines is a writer that hands over what is written.
type lines chan string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }

func TestWatch(t *testing.T) {
	t.Parallel()
	k := testenv.NewInventory()
	for _, name := range []string{"first", "second", "third"} {
		k.Connect(inventory.Connection{Client: name, Outcome: record.OutcomePassed, Offered: "TLS 1.3"})
	}
	out, notes := make(lines, 10), &bytes.Buffer{}
	w := &watch{admin: clientOf(runningAdmin(t, k)), before: 2, out: out, notes: notes}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	for _, want := range []string{"second", "third"} {
		if got := <-out; !strings.Contains(got, want) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
	k.Connect(inventory.Connection{Client: hostileName, ServerName: hostileName, Outcome: record.OutcomeFailed, Offered: "TLS 1.0",
		Reason: record.ReasonClientUnknownCA, Cause: record.ReasonClientUnknownCA.Cause(), Remedy: record.ReasonClientUnknownCA.Remedy()})
	got := <-out
	if parts := strings.Split(got, "\n"); len(parts) != 4 || !strings.Contains(parts[0], "failed") ||
		strings.TrimSpace(parts[2]) != record.ReasonClientUnknownCA.Remedy() || controls(got) {
		t.Errorf("got %q", got)
	}
	cancel()
	if err := <-done; err != nil || notes.Len() != 0 {
		t.Errorf("got %v and %s", err, notes)
	}
}

// A restarted tlslift counts from 1 again; nothing of it is missed.
func TestWatchGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	before, after := testenv.NewInventory(), testenv.NewInventory()
	before.Connect(inventory.Connection{Client: "before"})
	after.Connect(inventory.Connection{Client: "after"})
	current, next := runningAdmin(t, before), runningAdmin(t, after)
	var questions atomic.Int32
	// One question is answered, one finds nobody, and others the new one.
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		admin := next
		switch questions.Add(1) {
		case 1:
			admin = current
		case 2:
			panic(http.ErrAbortHandler)
		}
		text, err := clientOf(admin).Ask(r.Context(), adminclient.Question{Path: r.URL.Path, Query: r.URL.Query(), Wait: watchWait})
		if err == nil {
			_, _ = rw.Write(text)
		}
	}))
	t.Cleanup(server.Close)
	out, notes := make(lines, 10), make(lines, 10)
	w := &watch{admin: clientOf(server.Listener.Addr().String()), before: 10, retry: time.Millisecond, out: out, notes: notes}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	if got := <-out; !strings.Contains(got, "before") {
		t.Errorf("got %q", got)
	}
	if got := <-notes; !strings.Contains(got, "waiting for it") {
		t.Errorf("got %q", got)
	}
	if got := <-out; !strings.Contains(got, "after") {
		t.Errorf("got %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWatchColoursOutcomesOnly(t *testing.T) {
	t.Parallel()
	c := &inventory.Connection{Client: "a", Outcome: record.OutcomeLifted, Seconds: 1.5, ClientTLS: "TLS 1.0 X", UpstreamTLS: "TLS 1.3 Y"}
	plain, coloured := (&watch{}).text(c), (&watch{colours: true}).text(c)
	if !strings.Contains(plain, "  lifted   a ") || !strings.Contains(plain, "TLS 1.0 -> TLS 1.3") ||
		!strings.Contains(plain, "  1.5s\n") || strings.Contains(plain, "\x1b") {
		t.Errorf("got %q", plain)
	}
	if strings.Count(coloured, "\x1b[") != 2 || !strings.Contains(coloured, "\x1b[33mlifted \x1b[0m") {
		t.Errorf("got %q", coloured)
	}
}

func TestCtrlCEndsWatch(t *testing.T) {
	t.Parallel()
	needSignals(t)
	k := testenv.NewInventory()
	k.Connect(inventory.Connection{Client: "first", Outcome: record.OutcomePassed})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "watch")
	cmd.Env = []string{asProgram + "=1", "HOME=" + t.TempDir(), "TLSLIFT_ADMIN_LISTEN=" + runningAdmin(t, k)}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("watch ended with %v", err)
	}
}
