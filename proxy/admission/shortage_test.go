package admission

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Errors of all listeners, however many there are and whatever is accepted in between, are
// one line when they begin and one when they have ended; the wait grows to a bound.
func TestShortage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		began := 0
		s := shortage{log: slog.New(slog.NewTextHandler(&log, nil)), began: func(error) { began++ }}
		s.accepted()
		for range 2 {
			var wait time.Duration
			for try := range 100 {
				before := wait
				wait = s.fail("tls://127.0.0.1:1", syscall.EMFILE, wait)
				switch {
				case try == 0 && wait != firstWait, try > 0 && wait <= before && wait != longWait, wait > longWait:
					t.Fatalf("try %d waits %v after %v", try, wait, before)
				}
				time.Sleep(wait)
				if first := s.fail("smtp://127.0.0.1:2", syscall.EMFILE, 0); first != firstWait {
					t.Fatalf("after a success it waits %v", first)
				}
				s.accepted()
			}
			time.Sleep(calm)
			s.accepted()
			s.accepted()
		}
		first, last := strings.Count(log.String(), "no connection is accepted"), strings.Count(log.String(), "are accepted again")
		if first != 2 || last != 2 || began != 2 || !strings.Contains(log.String(), "tries=200 duration_seconds=9") {
			t.Errorf("%d and %d lines, began %d times:\n%s", first, last, began, log.String())
		}
	})
}

// A lacking is a listener whose results are given.
type lacking struct {
	net.Listener
	results []error // nil means a connection
}

func (l *lacking) Accept() (net.Conn, error) {
	if len(l.results) == 0 {
		return nil, net.ErrClosed
	}
	err := l.results[0]
	l.results = l.results[1:]
	if err != nil {
		return nil, err
	}
	conn, _ := net.Pipe()
	return conn, nil
}

// No error but the end of the listener or of its context ends the accepting of connections.
func TestAcceptGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failed := 0
		a := New(Config{Max: 1, MaxPerClient: 1, AcceptFailed: func(error) { failed++ }})
		ln := &lacking{results: []error{nil, syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, nil, syscall.ENOBUFS, nil}}
		for range 3 {
			if a.Accept(t.Context(), ln, "") == nil {
				t.Fatal("it gives up")
			}
		}
		if a.Accept(t.Context(), ln, "") != nil || len(a.open) != 3 || failed != 1 {
			t.Errorf("after the end %d are open; %d shortages", len(a.open), failed)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		ln.results = []error{syscall.EMFILE, nil}
		if a.Accept(ctx, ln, "") != nil || len(a.open) != 3 {
			t.Errorf("after the end of the context %d are open", len(a.open))
		}
	})
}
