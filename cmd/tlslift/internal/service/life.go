package service

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/sdnotify"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/successor"
)

// signals are those that the service listens to. Each kind has a channel of its own, so
// that it crowds out none of the others.
type signals struct {
	stop     chan os.Signal
	hangup   chan os.Signal // one that comes while files are read stands for all
	handOver chan os.Signal
}

// A Managed is how a service manager that sends no signals, as that of Windows, tells the
// service what signals do on other systems.
type Managed struct {
	// Stop gets what stops the service, and HangUp what has it read its files again.
	Stop, HangUp chan os.Signal
	// Ready is called when the service serves.
	Ready func()
}

func listenToSignals(m *Managed) *signals {
	if m != nil { // the system also sends signals of its own to services, for instance when somebody logs off
		return &signals{m.Stop, m.HangUp, make(chan os.Signal, 1)}
	}
	s := &signals{make(chan os.Signal, 2), make(chan os.Signal, 1), make(chan os.Signal, 1)}
	// A signal during the start must not end the process halfway.
	signal.Notify(s.stop, os.Interrupt, syscall.SIGTERM)
	signal.Notify(s.hangup, syscall.SIGHUP)
	if successor.Signal > 0 {
		signal.Notify(s.handOver, successor.Signal)
	}
	return s
}

func (s *signals) end() {
	signal.Stop(s.stop)
	signal.Stop(s.hangup)
	signal.Stop(s.handOver)
}

// cutTime is how long connections that were cut off may take to be recorded and saved.
const cutTime = time.Second

// A life is a service from its start to its end, as signals decide it.
type life struct {
	*Service

	signals *signals
	done    chan error // gets the result when the service is done
}

// run serves until the first signal to stop or a hand-over, and then waits for the
// open connections. Another signal cuts them off.
func (l *life) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	l.enter(ready)
	l.watching.of(l.ca, l.log)
	go func() { l.done <- l.serve(ctx) }()
	l.tellReady()
	why, err := l.serveUntil()
	if why == "" {
		return err
	}
	l.enter(stopping)
	if why != handedOver {
		l.log.Info("stopping", "signal", why, "drain_timeout", time.Duration(l.cfg.DrainTimeout).String())
		l.systemd.tell(sdnotify.Stopping, l.status())
	}
	stop()
	return l.drainUntil(why == handedOver)
}

// handedOver stands for the signal that has stopped a service.
const handedOver = "hand-over"

// tellReady tells those who wait for it that the service is ready.
func (l *life) tellReady() {
	if l.options.Managed != nil {
		l.options.Managed.Ready()
	}
	if l.before == nil {
		l.systemd.tell(sdnotify.Ready, l.status())
		return
	}
	if err := l.before.Ready(); err != nil {
		l.log.Warn("the process before this one has ended", "error", err.Error())
	}
	l.systemd.tell(l.status())
}

// serveUntil serves until it returns the name of a signal to stop, handedOver, or else the
// error of a service that is done.
func (l *life) serveUntil() (why string, err error) {
	var next *handover
	hungUp := false // while it starts
	for {
		select {
		case err := <-l.done:
			l.abort(next)
			return "", err
		case sig := <-l.signals.stop:
			l.abort(next)
			return sig.String(), nil
		case <-l.signals.hangup:
			if hungUp = next != nil; !hungUp {
				l.reload()
			}
		case <-l.signals.handOver:
			if next == nil {
				next = l.beginHandOver()
			}
		case err := <-next.ended():
			if err == nil {
				l.handOver(next, hungUp)
				return handedOver, nil
			}
			l.endHandOver(err)
			if next = nil; hungUp {
				l.reload()
			}
		}
	}
}

// drainUntil waits until the open connections have ended, or until a signal cuts them off.
// After a hand-over the first one is for both processes, as when systemd stops the
// service.
func (l *life) drainUntil(isHandedOver bool) error {
	for {
		select {
		case err := <-l.done:
			if err == nil {
				l.log.Info("stopped")
			}
			return err
		case <-l.signals.stop:
			if isHandedOver {
				isHandedOver = false
				continue
			}
			return l.cut()
		case <-l.signals.hangup: // what is read now would serve nobody
		case <-l.signals.handOver:
		}
	}
}

// cut ends the open connections with a reset, and waits until they are recorded and the
// state is saved.
func (l *life) cut() error {
	l.proxy.Cut()
	l.before.Close() // nobody waits for what becomes of its connections
	timer := time.NewTimer(cutTime)
	defer timer.Stop()
	select {
	case err := <-l.done:
		if err != nil {
			l.log.Error("stopping", "error", err.Error())
		}
	case <-timer.C:
	}
	l.repeats.Flush()
	return ErrCut
}
