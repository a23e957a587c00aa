package service

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/sdnotify"
)

// A systemd is who started the service, and may want to be told of it.
type systemd struct {
	notifier *sdnotify.Notifier // nil if it does not
	watchdog time.Duration      // how often it wants to hear Alive; zero means never
	log      *slog.Logger
	isOver   atomic.Bool // it listens to a successor now
}

// tell tells systemd. What cannot be told changes nothing else.
func (d *systemd) tell(lines ...string) {
	if d.isOver.Load() {
		return
	}
	if err := d.notifier.Send(lines...); err != nil {
		d.log.Debug("telling systemd", "error", err.Error())
	}
}

// watch tells systemd that the service is alive, as long as it is, until ctx is done:
// connections are accepted, the admin address answers, and the inventory takes
// connections. One of them that hangs makes this hang too, and systemd start another
// tlslift.
func (d *systemd) watch(ctx context.Context, s *Service) {
	if d.watchdog <= 0 {
		return
	}
	ticker := time.NewTicker(d.watchdog / 4)
	defer ticker.Stop()
	for {
		if address, is := s.opened.stuck(); is && !s.proxy.IsFull() {
			d.log.Error("nobody accepts the connections that wait at a listener", "address", address)
		} else if s.answers(ctx) {
			d.tell(sdnotify.Alive)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// answers reports whether the admin address answers, and whether the inventory can be
// read. It asks no socket: a crowd of others there must not end the service.
func (s *Service) answers(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/healthz", http.NoBody)
	if err != nil {
		return false
	}
	answer := statusOnly{header: http.Header{}, status: http.StatusOK}
	s.admin.handler.ServeHTTP(&answer, r)
	_, _ = s.inventory.Client("")
	return answer.status == http.StatusOK
}

// A statusOnly is an http.ResponseWriter that keeps the status.
type statusOnly struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (w *statusOnly) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *statusOnly) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (*statusOnly) Write(p []byte) (int, error) { return len(p), nil }
