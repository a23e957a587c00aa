package service

import (
	"errors"
	"log/slog"
	"runtime"
	"syscall"
	"testing"

	"github.com/tlslift/tlslift/metrics/inventory"
)

// awaitJournal waits until a successor is starting.
func (e *events) awaitJournal() {
	for {
		e.mu.RLock()
		is := e.journal != nil
		e.mu.RUnlock()
		if is {
			return
		}
		runtime.Gosched()
	}
}

// What ends after a successor was given up is saved as before, whatever the reason: the
// service may go on for the whole time in which open connections may end.
func TestAbortedHandOverIsSaved(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*life){
		"a signal stops the service":     func(l *life) { l.signals.stop <- syscall.SIGTERM },
		"the service ends by itself":     func(l *life) { l.done <- errors.New("a listener broke") },
		"a hang-up waits for it as well": func(l *life) { l.signals.hangup <- syscall.SIGHUP; l.signals.stop <- syscall.SIGINT },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := &memory{}
			s := &Service{log: slog.New(slog.DiscardHandler), events: newEvents(disk), options: Options{
				Command: []string{"/bin/sleep", "600"}, // it does not become ready
			}}
			s.enter(stopping) // so that its status names no listeners
			l := &life{Service: s, signals: listenToSignals(nil), done: make(chan error, 1)}
			defer l.signals.end()
			served := make(chan struct{})
			go func() {
				defer close(served)
				_, _ = l.serveUntil()
			}()
			l.signals.handOver <- syscall.SIGUSR2
			s.events.awaitJournal()
			s.events.Closed(ended())
			end(l)
			<-served
			if got := disk.saved(t); got != 1 {
				t.Errorf("%d connections are saved that ended while the successor started", got)
			}
			s.events.Closed(ended())
			if err := s.events.store.Save(inventory.StateOf(s.events.inventory).Encode()); err != nil || disk.saved(t) != 2 {
				t.Errorf("%d connections are saved in the end: %v", disk.saved(t), err)
			}
		})
	}
}
