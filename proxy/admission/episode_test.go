package admission

import (
	"bytes"
	"log/slog"
	"strings"
	"syscall"
	"testing"
)

// However often a listener fails, the log has one line when that begins and one when it
// ends.
func TestEpisode(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	began := 0
	e := Episode{Log: slog.New(slog.NewTextHandler(&log, nil)), Listener: "tls://:1", Began: func(error) { began++ }}
	e.End()
	for range 3 {
		if first := e.Fail(syscall.EMFILE); first != firstWait {
			t.Errorf("the first wait is %s", first)
		}
		for range 20 {
			e.Fail(syscall.EMFILE)
		}
		if last := e.Fail(syscall.EMFILE); last != longWait {
			t.Errorf("the last wait is %s", last)
		}
		e.End()
		e.End()
	}
	if n := strings.Count(log.String(), "\n"); n != 6 || began != 3 || strings.Count(log.String(), "tries=22") != 3 {
		t.Errorf("%d episodes, %d lines:\n%s", began, n, log.String())
	}
}
