package main

import (
	"errors"
	"fmt"
)

// The exit codes. They are a public interface: exitCodes documents them.
const (
	exitOK      = 0
	exitFailure = 1
	exitCrash   = 2 // of the Go runtime, for a panic, and for the SIGABRT of a watchdog
	exitCut     = 3
	exitUsage   = 64 // EX_USAGE of sysexits(3); 2, which is more common, is that of a crash
)

// exitCodes are the exit codes with their meaning.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitOK, "success; `serve` and `watch` were stopped by a signal, or another `serve` has taken over, " +
		"`healthcheck` found tlslift ready, `endpoints` found the destination allowed, no `check` failed, " +
		"`test-device` found that each device can be served"},
	{exitFailure, "failure: a port in use, an unreadable file, tlslift not ready, " +
		"a destination that is not allowed, a `check` that failed, a device that cannot be served or did not come, " +
		"a `login` that nobody has completed; " +
		"trying again later may help"},
	{exitCrash, "tlslift has crashed, or did not answer its watchdog, and the log has the stack; please report it"},
	{exitCut, "a second signal has stopped `serve`, which cut off the connections that were still open"},
	{exitUsage, "the command line, a setting or a new password is wrong; trying again without changing it does not help"},
}

// A failure is an error that trying again later may solve, as opposed to one of
// the command line or the settings: it decides the exit code.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// failed marks err, if there is one, as a failure.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return failure{err}
}

// A cut is the error of a service that has cut off connections.
type cut struct{ error }

func (c cut) Unwrap() error { return c.error }

// An exitStatus is the exit code of a command that has run in another process.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

// exitCode returns the exit code of an error. What is not marked comes from
// reading the command line or the settings.
func exitCode(err error) int {
	var f failure
	var c cut
	switch {
	case errors.As(err, &f):
		return exitFailure
	case errors.As(err, &c):
		return exitCut
	}
	return exitUsage
}
