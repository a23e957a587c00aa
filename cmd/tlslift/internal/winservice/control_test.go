package winservice

import (
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A managed is a service under a service manager of a test's own.
type managed struct {
	t        *testing.T
	requests chan Command
	statuses []Status
	control  Control
	end      chan error // what the service ends with
	ended    chan error // what the service manager sees
}

func startManaged(t *testing.T) *managed {
	t.Helper()
	m := &managed{t: t, requests: make(chan Command), end: make(chan error), ended: make(chan error, 1)}
	go func() {
		m.ended <- control(m.requests, func(s Status) { m.statuses = append(m.statuses, s) }, func(c Control) error {
			m.control = c
			return <-m.end
		})
	}()
	synctest.Wait()
	return m
}

func (m *managed) send(commands ...Command) {
	for _, c := range commands {
		m.requests <- c
		synctest.Wait()
	}
}

// finish ends the service, and returns the states that it told of, each once in a row.
func (m *managed) finish(with error) []State {
	m.t.Helper()
	m.end <- with
	if err := <-m.ended; !errors.Is(err, with) {
		m.t.Errorf("ended with %v, want %v", err, with)
	}
	var states []State
	for _, s := range m.statuses {
		states = append(states, s.State)
	}
	return slices.Compact(states)
}

func (m *managed) wantSignals(stop, hangUp int) {
	m.t.Helper()
	if len(m.control.Stop) != stop || len(m.control.HangUp) != hangUp {
		m.t.Errorf("%d signals to stop and %d to hang up, want %d and %d", len(m.control.Stop), len(m.control.HangUp), stop, hangUp)
	}
}

// A stop is one SIGTERM, however often it is asked for, and the service manager is told that
// the drain goes on.
func TestControlStop(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string][]Command{
		"stop": {Stop}, "shutdown": {Shutdown}, "twice": {Stop, Stop}, "shutdown during a stop": {Stop, Shutdown, Interrogate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := startManaged(t)
				m.control.Ready()
				synctest.Wait()
				m.send(ask...)
				m.wantSignals(1, 0)
				if got := <-m.control.Stop; got != syscall.SIGTERM {
					t.Errorf("got %v", got)
				}
				time.Sleep(3 * progress)
				synctest.Wait()
				if last := m.statuses[len(m.statuses)-1]; last != (Status{State: Stopping, CheckPoint: 3, WaitHint: hint}) {
					t.Errorf("got %+v", last)
				}
				if got := m.finish(nil); !slices.Equal(got, []State{Starting, Running, Stopping}) {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}

// A change of parameters is a SIGHUP; those that come while one waits are the same one.
func TestControlReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := startManaged(t)
		m.control.Ready()
		synctest.Wait()
		m.send(Reload, Reload, "pause", Interrogate)
		m.wantSignals(0, 1)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := len(m.statuses); got != 3 { // starting, running, and the answer
			t.Errorf("%d statuses: %+v", got, m.statuses)
		}
		if got := m.finish(nil); !slices.Equal(got, []State{Starting, Running}) {
			t.Errorf("got %q", got)
		}
	})
}

// A service that fails while it starts was never running, and one that is stopped then does
// not run any more when it is ready.
func TestControlStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := startManaged(t)
		time.Sleep(2 * progress)
		synctest.Wait()
		if last := m.statuses[len(m.statuses)-1]; last != (Status{State: Starting, CheckPoint: 2, WaitHint: hint}) {
			t.Errorf("got %+v", last)
		}
		if got := m.finish(errors.ErrUnsupported); !slices.Equal(got, []State{Starting}) {
			t.Errorf("got %q", got)
		}
		m = startManaged(t)
		m.send(Stop)
		m.control.Ready()
		m.control.Ready()
		synctest.Wait()
		m.wantSignals(1, 0)
		if got := m.finish(nil); !slices.Equal(got, []State{Starting, Stopping}) {
			t.Errorf("got %q", got)
		}
	})
}
