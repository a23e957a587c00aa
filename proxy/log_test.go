package proxy_test

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A stalledLog is a log whose lines wait until it is closed.
type stalledLog chan struct{}

func (stalledLog) Enabled(context.Context, slog.Level) bool { return true }

func (s stalledLog) Handle(context.Context, slog.Record) error {
	<-s
	return nil
}

func (s stalledLog) WithAttrs([]slog.Attr) slog.Handler { return s }

func (s stalledLog) WithGroup(string) slog.Handler { return s }

// TestStalledLog: neither the client nor the metrics wait for the log line.
func TestStalledLog(t *testing.T) {
	t.Parallel()
	stalled := make(stalledLog)
	w := newWorld(t, testenv.FakeM365(t), "127.0.0.1:9", func(cfg *proxy.Config) {
		cfg.Log = slog.New(stalled)
		cfg.ClientNets = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	t.Cleanup(func() { close(stalled) })
	conn := dial(t, w.proxy)
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("got %v, want the end of the connection", err)
	}
	w.expect(record.OutcomeRefused, record.ReasonClientNotAllowed)
}
