package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/origdst"
)

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run until a signal stops it (the default)",
		Long: `Opens the listeners, prints their addresses and the file of the CA certificate,
and serves clients. SIGTERM or SIGINT stops it: no new connections are accepted,
and open ones may continue for TLSLIFT_DRAIN_TIMEOUT. A second signal ends it at
once. SIGHUP reads TLSLIFT_CLIENTS_FILE and TLSLIFT_SIGNIN_FILE again.`,
		Args: cobra.NoArgs,
		RunE: p.runServe,
	}
}

func (p *program) runServe(cmd *cobra.Command, _ []string) error {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	disableCoreDumps()
	logging.SurviveReader()
	return failed(p.serve(cmd.Context(), cfg))
}

// serve runs until it fails or a signal stops it.
func (p *program) serve(ctx context.Context, cfg *settings.Config) error {
	// A signal during the start must not end the process halfway.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// A channel of its own, so that it crowds out none of the others; one that
	// comes while the file is read stands for all.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	s, err := p.newService(cfg)
	if err != nil {
		return err
	}
	if err := s.listen(ctx); err != nil {
		return err
	}
	p.announce(s)
	return s.runUntil(ctx, signals, hangups)
}

func (s *service) listen(ctx context.Context) error {
	if err := s.admin.listen(ctx); err != nil {
		return err
	}
	if err := s.proxy.Listen(ctx); err != nil {
		s.admin.close()
		return proxyListenError(err)
	}
	return nil
}

// runUntil serves until the first signal, and then waits for the open
// connections. The second signal ends the waiting: what still runs ends with the
// process.
func (s *service) runUntil(ctx context.Context, signals, hangups <-chan os.Signal) error {
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
func (s *service) untilStopped(done <-chan error, signals, hangups <-chan os.Signal) (os.Signal, error) {
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
func (s *service) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	adminDone := make(chan error, 1)
	go func() { adminDone <- s.admin.serve(stop) }()
	var refreshing sync.WaitGroup
	refreshing.Go(func() { s.allowed.Refresh(ctx) })
	refreshing.Go(func() { s.tickets.Run(ctx) })
	stopKeeping := s.keep(ctx)
	err := s.proxy.Serve(ctx)
	stop()
	refreshing.Wait()
	s.closeMailboxes()
	stopKeeping()
	s.admin.close()
	return errors.Join(err, <-adminDone)
}

// keep keeps the inventory up to date and tells of repeated log lines until it is
// stopped, which comes after the last connection has ended, so that none is left out.
func (s *service) keep(ctx context.Context) (stop func()) {
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
func (s *service) reload() {
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
}

// rename gives the clients the names of the table, in the inventory and in the metrics.
func (s *service) rename(table *clientfile.Table) {
	s.renaming.Lock()
	defer s.renaming.Unlock()
	var all []metrics.Renaming
	for _, r := range s.inventory.Rename(table) {
		all = append(all, metrics.Renaming{From: r.From, Now: factsOf([]inventory.Client{r.Client})[0]})
	}
	s.metrics.Rename(all)
}

// forget removes a client from the inventory, from what is saved, and from the metrics; it
// reports whether there was one.
func (s *service) forget(key string) bool {
	if !s.inventory.Forget(key) {
		return false
	}
	s.metrics.Forget(key)
	s.log.Info("forgot a client", "client", key)
	return true
}

// listenError returns an error that names the setting of an address that cannot be
// listened on, and what to do.
func listenError(setting, where string, err error) error {
	remedy := "choose another address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = "stop the program that has the port, or choose another one"
	case errors.Is(err, origdst.ErrUnsupported):
		remedy = "remove the listener; others, such as smtp:// and proxy://, work on every system"
	case errors.Is(err, syscall.EPERM):
		remedy = "tproxy:// needs CAP_NET_ADMIN: give it to tlslift, or use redirect://, which needs no capability"
	case errors.Is(err, os.ErrPermission):
		remedy = "choose a port above 1023, or give tlslift the right to lower ones (CAP_NET_BIND_SERVICE)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = "choose an address of this machine, or leave out the address for all of them"
	}
	return fmt.Errorf("%s%s: cannot listen on %s: %w; %s", settings.Prefix, setting, where, settings.SystemError(err), remedy)
}

func proxyListenError(err error) error {
	var listen *proxy.ListenError
	if errors.As(err, &listen) {
		return listenError("LISTEN", listen.URL.String(), listen.Err)
	}
	return err
}
