// Package serviceuser runs a command of root again as the user of the service, who is the
// owner of the state directory: what such a command reads, and what it may do, is what the
// service reads and may do, and what it writes belongs to the service.
//
// It gives the command no right that the service does not have, except to reach a state
// directory that systemd keeps for itself, and of root's environment only what a command
// needs: other variables may be secrets of root.
package serviceuser

import (
	"context"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A Command is what is run again.
type Command struct {
	Args []string // without the program
	// Environ is the environment of root; Passed returns what of it goes on.
	Environ        map[string]string
	Stdin          io.Reader
	Stdout, Stderr *os.File
}

// marker is the variable of a command that acts as the service.
const marker = "_TLSLIFT_AS_SERVICE"

// Acts reports whether a command with this environment acts as the service.
func Acts(environ map[string]string) bool { return environ[marker] != "" }

// passed are the variables, besides tlslift's own settings, that a command needs: where things
// are, how to print, which CAs the system trusts, and how the tests run the program.
var passed = []string{
	"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TERM", "NO_COLOR", "COLUMNS", "STATE_DIRECTORY", "XDG_STATE_HOME",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "KUBERNETES_SERVICE_HOST", "TEST_BINARY_IS_TLSLIFT",
}

// Passed returns the variables of root's environment that the command gets, in their order.
func Passed(environ map[string]string) []string {
	all := []string{marker + "=1"}
	for name, text := range environ {
		if strings.HasPrefix(strings.ToUpper(name), "TLSLIFT_") || strings.HasPrefix(name, "LC_") || slices.Contains(passed, name) {
			all = append(all, name+"="+text)
		}
	}
	slices.Sort(all)
	return all
}

// killed is the exit code of a command that a signal has ended, where this process got one too.
const killed = 1

// stopWait is how long the command may take to end after a signal.
const stopWait = 10 * time.Second

// Run runs the command as the owner of a directory, and returns its exit code. It does
// nothing, and reports that by false, unless root runs it and somebody else is the owner. A
// signal that asks for an end goes on to the command.
func (c Command) Run(ctx context.Context, dir string) (code int, ran bool, err error) {
	rights, needed := rightsFor(ctx, dir)
	if !needed {
		return 0, false, nil
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := exec.CommandContext(ctx, self, c.Args...) //nolint:gosec // this program itself
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = Passed(c.Environ), c.Stdin, c.Stdout, c.Stderr
	cmd.SysProcAttr = rights
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWait
	err = cmd.Run()
	switch state := cmd.ProcessState; {
	case state != nil && state.Exited(): // also after a signal, which the command has heeded
		return state.ExitCode(), true, nil
	case state != nil && ctx.Err() != nil:
		return killed, true, nil // who has sent the signal knows why it has ended
	}
	return 0, true, err
}
