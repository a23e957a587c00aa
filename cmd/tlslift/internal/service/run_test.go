package service

import (
	"context"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/origdst"
)

// patience is how long a test waits for what should happen without delay.
const patience = 30 * time.Second

// mustLoad reads the settings as serve would.
func mustLoad(t *testing.T, environ map[string]string) *settings.Config {
	t.Helper()
	all := map[string]string{"HOME": "/home/user", "LOCALAPPDATA": `C:\user`}
	maps.Copy(all, environ)
	cfg, err := settings.Source{Environ: all}.Load()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestListenErrorRemedies(t *testing.T) {
	t.Parallel()
	denied := &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}
	got := listenError("LISTEN", "proxy://:443", denied).Error()
	want := "TLSLIFT_LISTEN: cannot listen on proxy://:443: permission denied; choose a port above 1023"
	if runtime.GOOS != "windows" && !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	got = listenError("LISTEN", "redirect://:3129", origdst.ErrUnsupported).Error()
	want = "TLSLIFT_LISTEN: cannot listen on redirect://:3129: redirected connections need Linux; remove the listener"
	if !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestAdminBreaks: without its admin address nobody would see how it is. Open connections
// may end; meanwhile it is not ready, and reads no other configuration.
func TestAdminBreaks(t *testing.T) {
	t.Parallel()
	for setting, breaks := range map[string]func(*Service){
		"TLSLIFT_ADMIN_LISTEN":  func(s *Service) { _ = s.admin.listener.Close() },
		"TLSLIFT_PUBLIC_LISTEN": func(s *Service) { _ = s.public.listener.Close() },
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			cfg := mustLoad(t, map[string]string{
				"TLSLIFT_LISTEN": "proxy://127.0.0.1:0", "TLSLIFT_ADMIN_LISTEN": "127.0.0.1:0", "TLSLIFT_PUBLIC_LISTEN": "127.0.0.1:0",
				"TLSLIFT_STATE_DIR": t.TempDir(),
			})
			log := logging.NewWriter(io.Discard)
			t.Cleanup(func() { log.Close() })
			load := func() (*settings.Config, error) {
				t.Error("the configuration is read again")
				return cfg, nil
			}
			s, err := newService(Options{Settings: cfg, Log: log, Load: load})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.listen(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.ready(); err == nil {
				t.Error("ready before it runs")
			}
			s.enter(ready)
			breaks(s)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := s.serve(ctx); ctx.Err() != nil || err == nil || !strings.HasPrefix(err.Error(), setting+": serving ") {
				t.Errorf("got %v; %v", err, ctx.Err())
			}
			if err := s.ready(); err == nil {
				t.Error("ready although nobody is served any more")
			}
			s.reload()
		})
	}
}

// A service manager that sends no signals has the service read its settings again and stop, as
// signals do, and is told when it serves.
func TestManaged(t *testing.T) {
	t.Parallel()
	loaded, readyAt := make(chan struct{}), make(chan struct{})
	m := &Managed{Stop: make(chan os.Signal, 2), HangUp: make(chan os.Signal, 1), Ready: sync.OnceFunc(func() { close(readyAt) })}
	cfg := mustLoad(t, map[string]string{
		"TLSLIFT_LISTEN": "proxy://127.0.0.1:0", "TLSLIFT_ADMIN_LISTEN": "", "TLSLIFT_STATE_DIR": t.TempDir(),
	})
	w := logging.NewWriter(io.Discard)
	defer w.Close()
	ended := make(chan error, 1)
	go func() {
		ended <- Run(context.Background(), Options{Settings: cfg, Log: w, Managed: m, Load: func() (*settings.Config, error) {
			close(loaded)
			return cfg, nil
		}})
	}()
	for _, step := range []struct {
		what string
		does func()
		seen <-chan struct{}
	}{
		{"be ready", func() {}, readyAt},
		{"read again", func() { m.HangUp <- syscall.SIGHUP }, loaded},
	} {
		step.does()
		select {
		case <-step.seen:
		case err := <-ended:
			t.Fatalf("it ended before it could %s: %v", step.what, err)
		case <-time.After(patience):
			t.Fatalf("it did not %s", step.what)
		}
	}
	m.Stop <- syscall.SIGTERM
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
