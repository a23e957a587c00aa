package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/memorylimit"
)

// Run builds a service and runs it until it fails or a signal stops it.
func Run(ctx context.Context, o Options) error {
	// A signal during the start must not end the process halfway.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// A channel of its own, so that it crowds out none of the others; one that
	// comes while the file is read stands for all.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	s, err := newService(o)
	if err != nil {
		return err
	}
	if err := s.listen(ctx); err != nil {
		return err
	}
	s.room.Warn(s.log)
	memorylimit.Set(s.log)
	if s.confined, err = confine(o.Confine, s.cfg, s.mailboxes, s.log); err != nil {
		return err
	}
	s.announce()
	return s.runUntil(ctx, signals, hangups)
}

// runUntil serves until the first signal, and then waits for the open
// connections. The second signal ends the waiting: what still runs ends with the
// process.
func (s *Service) runUntil(ctx context.Context, signals, hangups <-chan os.Signal) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.enter(ready)
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	sig, err := s.untilStopped(done, signals, hangups)
	if sig == nil {
		return err
	}
	s.enter(stopping)
	s.log.Info("stopping", "signal", sig.String(), "drain_timeout", time.Duration(s.cfg.DrainTimeout).String())
	stop()
	sig, err = s.untilStopped(done, signals, hangups)
	switch {
	case sig != nil:
		s.repeats.Flush()
		return errors.New("a second signal ended tlslift before all connections had ended")
	case err == nil:
		s.log.Info("stopped")
	}
	return err
}

// untilStopped waits until the service is done, or until the signal to stop that it
// returns. Meanwhile a hang-up makes it read files again.
func (s *Service) untilStopped(done <-chan error, signals, hangups <-chan os.Signal) (os.Signal, error) {
	for {
		select {
		case err := <-done:
			return nil, err
		case sig := <-signals:
			return sig, nil
		case <-hangups:
			s.reload()
		}
	}
}

// run serves clients and the admin address until ctx is done. The admin
// address stays to the end, so that the drain can be watched.
func (s *Service) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	adminDone := make(chan error, 2)
	go func() { adminDone <- s.admin.serve(stop) }()
	go func() { adminDone <- s.public.serve(stop) }()
	var refreshing sync.WaitGroup
	refreshing.Go(func() { s.allowed.Refresh(ctx) })
	refreshing.Go(func() { s.tickets.Run(ctx) })
	refreshing.Go(func() { s.ca.Watch(ctx, s.log) })
	stopKeeping := s.keep(ctx)
	err := s.proxy.Serve(ctx)
	stop()
	refreshing.Wait()
	s.closeMailboxes()
	stopKeeping()
	s.admin.close()
	s.public.close()
	return errors.Join(err, <-adminDone, <-adminDone)
}

// keep keeps the inventory up to date and tells of repeated log lines until it is
// stopped, which comes after the last connection has ended, so that none is left out.
func (s *Service) keep(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { s.inventory.Run(ctx) })
	running.Go(func() { s.repeats.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// reload reads the clients file and the sign-in file again. With a mistake in one of
// them, or when the first is empty as after a full disk, both stay in force as they were
// read before.
func (s *Service) reload() {
	table, unread := s.cfg.ClientTable()
	if unread == nil && table.Len() == 0 && s.clients.Load().Len() > 0 {
		unread = fmt.Errorf("%s has no clients; to go on without any, restart tlslift", s.cfg.ClientsFile)
	}
	err := unread
	if err == nil {
		err = s.reloadMailboxes(table)
	}
	s.metrics.SetReloaded(err == nil, time.Now())
	switch {
	case unread != nil:
		s.log.Error("reading the clients file again; what was read before stays in force", "error", unread.Error())
		return
	case err != nil:
		s.log.Error("reading the sign-in file again; what was read before stays in force", "error", err.Error())
		return
	}
	table = s.useClients(table)
	s.proxy.SetClients(table)
	s.rename(table)
	s.log.Info("read the clients file again", "clients", table.Len())
	s.confined.warn(s.cfg, s.mailboxes, s.log)
}
