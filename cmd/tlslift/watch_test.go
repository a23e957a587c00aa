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
	"github.com/tlslift/tlslift/cmd/tlslift/internal/watch"
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

// noPause asks again at once.
func noPause(ctx context.Context, _ time.Duration) bool { return ctx.Err() == nil }

// A tlslift that is busy, or has a moment of weakness, is asked again after a pause of at
// least what it says, and never at once; also one that does not let a question wait.
func TestWatchPauses(t *testing.T) {
	t.Parallel()
	empty := func(rw http.ResponseWriter) { _, _ = rw.Write([]byte(`{"started":"now","last":7,"connections":[]}`)) }
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter)
		least  time.Duration
		note   string
	}{
		"no long poll is free": {func(rw http.ResponseWriter) {
			rw.Header().Set("Retry-After", "10")
			http.Error(rw, `{"error":"too many others wait"}`, http.StatusServiceUnavailable)
		}, 10 * time.Second, "too many others wait; waiting"},
		"wrong passwords": {func(rw http.ResponseWriter) {
			http.Error(rw, "slowly", http.StatusTooManyRequests)
		}, time.Second, "slowly; waiting"},
		"an error":        {func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusInternalServerError) }, time.Second, "waiting"},
		"a reverse proxy": {func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusBadGateway) }, time.Second, "waiting"},
		"an odd time": {func(rw http.ResponseWriter) {
			rw.Header().Set("Retry-After", "-1")
			rw.WriteHeader(http.StatusServiceUnavailable)
		}, time.Second, "waiting"},
		"no wait at all": {empty, time.Second, ""},
		"nobody there":   {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, time.Second, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var questions atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				if questions.Add(1) == 1 {
					empty(rw)
					return
				}
				test.answer(rw)
			}))
			t.Cleanup(server.Close)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var pauses []time.Duration
			notes := &bytes.Buffer{}
			w := &watch.Watch{Admin: clientOf(server.Listener.Addr().String()), Out: make(lines), Notes: notes}
			w.Pause = func(_ context.Context, d time.Duration) bool {
				if pauses = append(pauses, d); len(pauses) == 5 {
					cancel()
				}
				return true
			}
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
			if len(pauses) != 5 || questions.Load() != 6 {
				t.Fatalf("%d questions with %d pauses", questions.Load(), len(pauses))
			}
			for i, d := range pauses {
				if d < max(test.least, time.Second<<i) || d > max(3*test.least/2, 3*time.Second<<i/2) {
					t.Errorf("pause %d is %s", i, d)
				}
			}
			if note := notes.String(); !strings.Contains(note, test.note) || strings.Count(note, "\n") > 1 {
				t.Errorf("got %q, want %q once", note, test.note)
			}
		})
	}
}

// What no later question changes ends the program.
func TestWatchGivesUp(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMisdirectedRequest} {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) }))
		t.Cleanup(server.Close)
		w := &watch.Watch{Admin: clientOf(server.Listener.Addr().String()), Pause: noPause, Out: make(lines), Notes: &bytes.Buffer{}}
		if err := w.Run(t.Context()); err == nil {
			t.Errorf("status %d is waited for", status)
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	k := testenv.NewInventory()
	for _, name := range []string{"first", "second", "third"} {
		k.Connect(inventory.Connection{Client: name, Outcome: record.OutcomePassed, Offered: "TLS 1.3"})
	}
	out, notes := make(lines, 10), &bytes.Buffer{}
	w := &watch.Watch{Admin: clientOf(runningAdmin(t, k)), Before: 2, Pause: noPause, Out: out, Notes: notes}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
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
		text, err := clientOf(admin).Ask(r.Context(), adminclient.Question{Path: r.URL.Path, Query: r.URL.Query(), Wait: 25 * time.Second})
		if err == nil {
			_, _ = rw.Write(text)
		}
	}))
	t.Cleanup(server.Close)
	out, notes := make(lines, 10), make(lines, 10)
	w := &watch.Watch{Admin: clientOf(server.Listener.Addr().String()), Before: 10, Pause: noPause, Out: out, Notes: notes}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
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
