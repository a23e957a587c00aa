package winservice

import (
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// progress is how often it is reported to the service manager that a start or stop goes on.
	progress = 2 * time.Second
	// hint is how long it is to wait for that.
	hint = 30 * time.Second
)

// A Control brings the service what the service manager asks for, and the service manager that
// the service is ready.
type Control struct {
	// Stop gets SIGTERM, and HangUp gets SIGHUP, as a process of another system does.
	Stop, HangUp chan os.Signal
	// Ready is called when the service serves.
	Ready func()
}

// A loop carries out what the service manager asks for while the service runs.
type loop struct {
	Control

	report func(Status)
	status Status
}

// control runs a service until it has ended: of itself, or as the service manager asks. It
// returns the error of run.
func control(requests <-chan Command, report func(Status), run func(Control) error) error {
	ready := make(chan struct{})
	l := &loop{report: report, Control: Control{
		Stop: make(chan os.Signal, 2), HangUp: make(chan os.Signal, 1), Ready: sync.OnceFunc(func() { close(ready) }),
	}}
	done := make(chan error, 1)
	go func() { done <- run(l.Control) }()
	tick := time.NewTicker(progress)
	defer tick.Stop()
	l.enter(Starting)
	for {
		select {
		case err := <-done:
			return err
		case <-ready:
			ready = nil
			if l.status.State == Starting {
				l.enter(Running)
			}
		case c := <-requests:
			l.obey(c)
		case <-tick.C:
			l.goOn()
		}
	}
}

// enter reports a new state to the service manager.
func (l *loop) enter(s State) {
	l.status = Status{State: s}
	if s != Running {
		l.status.WaitHint = hint
	}
	l.report(l.status)
}

// obey does what the service manager asks for. It sends nothing to a service that stops
// already: Windows does not ask twice, and a second signal would cut connections off.
func (l *loop) obey(c Command) {
	switch c {
	case Interrogate:
		l.report(l.status)
	case Reload:
		select {
		case l.HangUp <- syscall.SIGHUP:
		default: // one that waits stands for all
		}
	case Stop, Shutdown:
		if l.status.State == Stopping {
			return
		}
		l.enter(Stopping)
		l.Stop <- syscall.SIGTERM
	}
}

// goOn reports to the service manager that a start or a stop still goes on.
func (l *loop) goOn() {
	if l.status.State == Running {
		return
	}
	l.status.CheckPoint++
	l.report(l.status)
}
