package winservice

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Definition is what the service manager knows of the service.
type Definition struct {
	Program string   // path
	Args    []string // of the program
	// StopTime is how long a stop may take while the machine shuts down.
	StopTime time.Duration
}

// A System is what Windows can do for a service, by the name Name.
type System interface {
	// Protect makes a directory with rights of its own (aclOf), or gives them to one that
	// SYSTEM, Administrators, the service or the caller owns.
	Protect(dir, acl string) error
	// Create makes the service: an automatic start after the others, its account, and new
	// starts after a failure. It fails if there is one.
	Create(d Definition) error
	// Delete removes it.
	Delete() error
	// AddEvents and RemoveEvents make and remove the source of events.
	AddEvents() error
	RemoveEvents() error
	// Start and Control ask for what they say, and do not wait for it.
	Start() error
	Control(c Command) error
	// Query returns the status; its state is NotInstalled if there is no service.
	Query() (Status, error)
}

// A Manager installs the service and controls it.
type Manager struct {
	System System
	Place  Place
}

// How often the status is asked for, and after which time without progress nobody waits any
// more for a start or a stop.
const (
	queryPause = 200 * time.Millisecond
	patience   = 45 * time.Second
)

// Restarts are the times after which the service starts again after its first, second, and
// each further failure; the count begins anew after a day without one.
var Restarts = []time.Duration{5 * time.Second, 30 * time.Second, time.Minute}

// Install makes the directories and the service. If something fails, there is no service.
func (m Manager) Install(d Definition) error {
	status, err := m.System.Query()
	if err != nil {
		return err
	}
	if status.State != NotInstalled {
		return fmt.Errorf("the service %s is installed already, and %s; `tlslift service uninstall` removes it, and leaves "+
			"its settings and its CA", Name, status.State)
	}
	for _, dir := range []struct{ path, rights string }{
		{m.Place.Dir, mayRead}, {m.Place.StateDir(), mayWrite}, {m.Place.LogDir(), mayWrite},
	} {
		if err := m.System.Protect(dir.path, aclOf(dir.rights)); err != nil {
			return fmt.Errorf("making the directory %s: %w", dir.path, err)
		}
	}
	if err := m.System.AddEvents(); err != nil {
		return fmt.Errorf("adding the source %s to the event log: %w", Name, err)
	}
	if err := m.System.Create(d); err != nil {
		return errors.Join(fmt.Errorf("installing the service %s: %w", Name, err), m.System.RemoveEvents())
	}
	return nil
}

// Uninstall stops the service and removes it. Its directories stay.
func (m Manager) Uninstall(ctx context.Context) error {
	if err := m.Stop(ctx); err != nil {
		return err
	}
	if err := m.System.Delete(); err != nil {
		return fmt.Errorf("removing the service %s: %w", Name, err)
	}
	if err := m.System.RemoveEvents(); err != nil {
		return fmt.Errorf("removing the source %s from the event log: %w", Name, err)
	}
	return nil
}

// Start starts the service and waits until it serves.
func (m Manager) Start(ctx context.Context) error {
	status, err := m.installed()
	if err != nil || status.State == Running {
		return err
	}
	if status.State == Stopped {
		if err := m.System.Start(); err != nil {
			return fmt.Errorf("starting the service %s: %w%s", Name, err, m.seeLog())
		}
	}
	status, err = m.await(ctx, Running)
	switch {
	case err != nil:
		return err
	case status.State == Running:
		return nil
	}
	return fmt.Errorf("the service %s has %s while it started, with exit code %d%s", Name, status.State, status.ExitCode, m.seeLog())
}

// Stop stops the service and waits until its connections have ended.
func (m Manager) Stop(ctx context.Context) error {
	status, err := m.installed()
	if err != nil || status.State == Stopped {
		return err
	}
	if status.State != Stopping {
		if err := m.System.Control(Stop); err != nil {
			return fmt.Errorf("stopping the service %s: %w", Name, err)
		}
	}
	_, err = m.await(ctx, Stopped)
	return err
}

// Reload has a service that runs read its settings again. What comes of that is in its log.
func (m Manager) Reload() error {
	status, err := m.installed()
	if err != nil {
		return err
	}
	if status.State != Running {
		return fmt.Errorf("the service %s is not running: it is %s; `tlslift service start` starts it", Name, status.State)
	}
	return m.System.Control(Reload)
}

// installed returns the status of a service that there is.
func (m Manager) installed() (Status, error) {
	status, err := m.System.Query()
	if err == nil && status.State == NotInstalled {
		err = fmt.Errorf("the service %s is not installed; `tlslift service install` installs it", Name)
	}
	return status, err
}

// await waits until the service has a state, or has stopped. It gives up when the service
// makes no progress.
func (m Manager) await(ctx context.Context, want State) (Status, error) {
	tick := time.NewTicker(queryPause)
	defer tick.Stop()
	var last Status
	since := time.Now()
	for {
		status, err := m.System.Query()
		switch {
		case err != nil:
			return status, err
		case status.State == want, status.State == Stopped, status.State == NotInstalled:
			return status, nil
		case status != last:
			last, since = status, time.Now()
		case time.Since(since) > patience:
			return status, fmt.Errorf("the service %s is still %s, and nothing has changed for %s%s", Name, status.State, patience, m.seeLog())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return status, fmt.Errorf("the service %s is still %s: %w", Name, status.State, context.Cause(ctx))
		}
	}
}

// seeLog ends an error whose cause only the service knows.
func (m Manager) seeLog() string {
	return fmt.Sprintf("; the reason is in %s and in the event log (eventvwr.msc, Windows Logs, Application)", m.Place.LogFile())
}
