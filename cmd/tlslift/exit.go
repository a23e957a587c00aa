package main

import "errors"

// The exit codes. They are a public interface: exitCodes documents them.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// exitCodes are the exit codes with their meaning.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitOK, "all went well; `serve` and `watch` were told to stop and have stopped, `healthcheck` found it ready, `endpoints` found the destination allowed"},
	{exitFailure, "it did not work: a port in use, an unreadable file, not ready, a destination that is not allowed; trying again later may help"},
	{exitUsage, "the command line or a setting is wrong; trying again without changing it will not help"},
}

// A failure is an error of doing something, as opposed to one of the command
// line or the settings: it decides the exit code.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// failed marks err, if there is one, as a failure.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return failure{err}
}

// exitCode maps an error to an exit code. What is not marked comes from
// reading the command line or the settings.
func exitCode(err error) int {
	var f failure
	if errors.As(err, &f) {
		return exitFailure
	}
	return exitUsage
}
