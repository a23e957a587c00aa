package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/gcpace"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/inherited"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/memorylimit"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/sdnotify"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/successor"
)

// ErrCut is the error of a service whose open connections a second signal has cut off.
var ErrCut = errors.New("a second signal ended tlslift before all connections had ended")

// A UsageError is wrong settings: trying again does not help.
type UsageError struct{ error }

// Unwrap returns what is wrong.
func (e UsageError) Unwrap() error { return e.error }

// Run builds a service and runs it until it fails, a signal stops it, or a successor has
// taken over. The error may be ErrCut or a UsageError.
func Run(ctx context.Context, o Options) error {
	all := listenToSignals(o.Managed)
	served := false
	defer func() {
		// What has served listens until the process ends: a signal after that would kill it, and
		// its exit code would not say how the service ended.
		if !served {
			all.end()
		}
	}()
	before, err := successor.Of(o.Environ)
	if err != nil {
		return UsageError{err}
	}
	defer before.Close()
	sockets, err := inherited.Take(o.Environ, os.Getpid(), before != nil)
	if err != nil {
		return UsageError{err}
	}
	defer sockets.Close()
	s, err := newService(o)
	if err != nil {
		return err
	}
	s.before, s.opened.inherited = before, sockets
	s.systemd.watchdog = sdnotify.Watchdog(o.Environ, os.Getpid(), before != nil)
	if err := s.listen(ctx); err != nil {
		return err
	}
	s.room.Warn(s.log)
	memorylimit.Set(s.log)
	defer gcpace.Start().Stop()
	if err := confine(s); err != nil {
		return err
	}
	s.announce()
	served = true
	l := &life{Service: s, signals: all, done: make(chan error, 1)}
	return l.run(ctx)
}

// confine enters the sandbox, and tells of what that of the process before this one takes
// from it.
func confine(s *Service) error {
	before, err := inheritedConfinement(s.options.Environ, s.before != nil)
	if err != nil {
		return err
	}
	boxes := s.mailboxes.now.Load()
	if s.confined, err = before.confine(s.options, boxes, s.log); err != nil {
		return err
	}
	s.confined.warn(s.options, s.cfg, boxes, s.log)
	return nil
}

// checkInherited finds sockets that nobody listens on: clients would wait there for ever. A
// successor closes them, since a setting has changed.
func (s *Service) checkInherited() error {
	rest := s.opened.inherited.Rest()
	s.opened.inherited.Close()
	if len(rest) == 0 || s.before != nil {
		return nil
	}
	return UsageError{fmt.Errorf("%[1]s: the socket %[2]s is in none of %[3]sLISTEN, %[3]sADMIN_LISTEN and "+
		"%[3]sPUBLIC_LISTEN; add it there, or remove it from the .socket unit", inherited.EnvCount, strings.Join(rest, ", "), settings.Prefix)}
}

// status returns what systemctl status shows.
func (s *Service) status() string {
	if p := *s.phase.Load(); p != ready {
		return sdnotify.Status(string(p))
	}
	return sdnotify.Status(fmt.Sprintf("serving clients at %d listeners", len(s.proxy.Listeners())))
}

// serve serves clients and the admin address until ctx is done. The admin
// address stays to the end, so that the drain can be watched; after a hand-over, that of
// the successor answers.
func (s *Service) serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	broken := func() {
		s.enter(stopping)
		stop()
	}
	adminDone := make(chan error, 2)
	go func() { adminDone <- s.admin.serve(broken) }()
	go func() { adminDone <- s.public.serve(broken) }()
	var refreshing sync.WaitGroup
	refreshing.Go(func() { s.allowed.Refresh(ctx) })
	refreshing.Go(func() { s.tickets.Run(ctx) })
	refreshing.Go(func() { s.prober.Run(ctx) })
	stopKeeping := s.keep(ctx)
	err := s.proxy.Serve(ctx)
	stop()
	refreshing.Wait()
	s.watching.end()
	stopKeeping()
	s.mailboxes.close()
	s.admin.close()
	s.public.close()
	return errors.Join(err, <-adminDone, <-adminDone)
}

// keep keeps the inventory up to date and tells of repeated log lines until it is
// stopped, which comes after the last connection has ended, so that none is left out.
func (s *Service) keep(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running, receiving sync.WaitGroup
	running.Go(func() { s.inventory.Run(ctx) })
	running.Go(func() { s.repeats.Run(ctx) })
	running.Go(func() { memorylimit.GiveBack(ctx) })
	running.Go(func() { s.systemd.watch(ctx, s) })
	receiving.Go(s.receive)
	return func() {
		// The process before this one has been told to end before.
		timer := time.AfterFunc(time.Duration(s.cfg.DrainTimeout), s.before.Close)
		defer timer.Stop()
		receiving.Wait()
		if lost := s.events.close(); lost > 0 {
			s.log.Warn("the next process does not know of some connections that have ended here", "connections", lost)
		}
		cancel()
		running.Wait()
	}
}

// receive counts what becomes of the connections of the process before this one.
func (s *Service) receive() {
	if err := s.before.Receive(s.events.receive); err != nil {
		s.log.Warn("not all connections of the process before this one are counted", "error", err.Error())
	}
}
