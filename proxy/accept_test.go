package proxy

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tlslift/tlslift/proxy/admission"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sockets"
)

// A flood is a listener at which clients wait from the beginning. It counts those that were
// accepted, and as an Observer it lets nobody go on until it is told so.
type flood struct {
	waiting chan net.Conn
	goOn    chan struct{}

	mu                     sync.Mutex
	accepted, open, atMost int
}

func newFlood(clients int) *flood {
	f := &flood{waiting: make(chan net.Conn, clients), goOn: make(chan struct{})}
	for range clients {
		near, _ := net.Pipe()
		f.waiting <- near
	}
	return f
}

// Accept implements net.Listener.
func (f *flood) Accept() (net.Conn, error) {
	conn, is := <-f.waiting
	if !is {
		return nil, net.ErrClosed
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accepted++
	f.open++
	f.atMost = max(f.atMost, f.open)
	return conn, nil
}

// Close implements net.Listener.
func (f *flood) Close() error { return nil }

// Addr implements net.Listener.
func (f *flood) Addr() net.Addr { return &net.TCPAddr{} }

// Opened implements Observer.
func (f *flood) Opened(string) { <-f.goOn }

// Closed implements Observer.
func (f *flood) Closed(*record.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
}

func (f *flood) count() (accepted, atMost int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accepted, f.atMost
}

// floodedServer returns a server that has f as its listener and its observer.
func floodedServer(f *flood, limits admission.Config) *Server {
	s := &Server{}
	s.log, s.admission = slog.New(slog.DiscardHandler), admission.New(limits)
	s.clients.Store(&clientfile.Table{})
	s.open = sockets.Set{{Listener: f}}
	s.now = &setup{common: &s.common, cfg: Config{Observer: f}, sockets: []*socket{{}}}
	return s
}

// Connections are accepted no faster than those that have no place are closed: else they
// would use up the open files that are reserved for the admin address and destinations.
func TestAcceptWaitsForOpenConnections(t *testing.T) {
	t.Parallel()
	for name, balanced := range map[string]bool{"alone": false, "behind a balancer": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const places, clients = 8, 1000
				most := admission.MaxOpen(places, balanced)
				f := newFlood(clients)
				s := floodedServer(f, admission.Config{Max: places, MaxPerClient: places, Balanced: balanced})
				ctx, stop := context.WithCancel(t.Context())
				var accepting sync.WaitGroup
				accepting.Go(func() {
					if err := s.accept(ctx, t.Context(), 0); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
				if accepted, _ := f.count(); accepted != most {
					t.Errorf("%d of %d are accepted, want %d", accepted, clients, most)
				}
				close(f.goOn)
				synctest.Wait()
				if accepted, atMost := f.count(); accepted != clients || atMost > most {
					t.Errorf("%d of %d were accepted, %d were open, want at most %d", accepted, clients, atMost, most)
				}
				stop()
				close(f.waiting)
				accepting.Wait()
				s.carrying.Wait()
			})
		})
	}
}

// A stop does not wait for connections that are open.
func TestStopWhileAcceptWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFlood(1000)
		s := floodedServer(f, admission.Config{Max: 1, MaxPerClient: 1})
		ctx, stop := context.WithCancel(t.Context())
		var accepting sync.WaitGroup
		accepting.Go(func() { _ = s.accept(ctx, t.Context(), 0) })
		synctest.Wait()
		stop()
		accepting.Wait() // or it is a deadlock
		close(f.goOn)
		s.carrying.Wait()
	})
}
