// Command tlslift-bench measures what tlslift costs, beside the programs that can do the
// same work: processor time, memory, open files and delays. It is for developers, and for
// those who choose a machine.
//
// It works on loopback only, and never compares what a peer has refused.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/backend"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/bench"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/cli"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/load"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole program; it returns the exit code.
func run(args []string, stdout, stderr *os.File) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := dispatch(ctx, args, stdout, stderr)
	if err == nil {
		return cli.ExitOK
	}
	fmt.Fprintln(stderr, "tlslift-bench:", err)
	var usage cli.UsageError
	if errors.As(err, &usage) {
		return cli.ExitUsage
	}
	return cli.ExitFailure
}

// dispatch runs the comparison, or one of the parts of it that have a process of their own.
func dispatch(ctx context.Context, args []string, stdout, stderr *os.File) error {
	switch {
	case len(args) == 2 && args[0] == bench.BackendRole:
		// It ends with its parent, and not by the signal that both get from a terminal.
		return backend.Serve(args[1], os.Stdin, stdout)
	case len(args) == 1 && args[0] == bench.StormRole:
		return load.RunStorm(ctx, os.Stdin, stdout)
	}
	return cli.Run(ctx, args, stdout, stderr)
}
