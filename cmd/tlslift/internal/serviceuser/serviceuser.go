// Package serviceuser runs a command of root again as the user of the service, who is the
// owner of the state directory: what such a command reads, and what it may do, is what the
// service reads and may do, and what it writes belongs to the service.
//
// It gives the command no right that the service does not have, except to reach a state
// directory that systemd keeps for itself.
package serviceuser

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// A Command is what is run again.
type Command struct {
	Args           []string // without the program
	Environ        []string
	Stdin          *os.File
	Stdout, Stderr *os.File
}

// stopWait is how long the command may take to end after a signal.
const stopWait = 10 * time.Second

// Run runs the command as the owner of a directory, and returns its exit code. It does
// nothing, and reports that by false, unless root runs it and somebody else is the owner.
func (c Command) Run(ctx context.Context, dir string) (code int, ran bool, err error) {
	rights, needed := rightsFor(dir)
	if !needed {
		return 0, false, nil
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := exec.CommandContext(ctx, self, c.Args...) //nolint:gosec // this program itself
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Environ, c.Stdin, c.Stdout, c.Stderr
	cmd.SysProcAttr = rights
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWait
	err = cmd.Run()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended) && ended.ExitCode() >= 0:
		return ended.ExitCode(), true, nil
	case err != nil:
		return 0, true, err
	}
	return 0, true, nil
}
