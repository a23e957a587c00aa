// Command tlslift lets clients that only speak TLS 1.0 or 1.1 keep using
// Microsoft 365: it reads its settings, builds the parts and runs them until a
// signal.
//
// It refuses to start with an unknown setting or one that it cannot read: nothing
// that an operator wrote is silently without effect.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/sandbox"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/timerslack"
	"github.com/tlslift/tlslift/proxy/netname"
)

// version is the release, set at build time by -ldflags "-X main.version=…".
// It is empty in other builds, which have only what the Go tool recorded.
var version string

// confine leaves the process only what it needs. Tests run commands in their own process,
// and do without.
var confine func(sandbox.Limits) (enforced string, err error)

// raiseTimerSlack executes the program again. Tests run commands in their own process, and
// do without.
var raiseTimerSlack = func() {}

func main() {
	confine, raiseTimerSlack = sandbox.Enter, timerslack.Raise
	os.Exit(run(os.Args[1:], settings.Environ(os.Environ()), os.Stdout, os.Stderr))
}

// run is the whole program; it returns the exit code.
func run(args []string, environ map[string]string, stdout, stderr *os.File) int {
	p := &program{
		environ: environ, stdin: os.Stdin, stdout: stdout, stderr: stderr, log: logging.NewWriter(stderr), version: buildVersion(),
	}
	defer p.log.Close()
	root := p.rootCommand()
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	for line := range strings.Lines(netname.Lines(err.Error())) {
		fmt.Fprintln(p.log, "tlslift:", strings.TrimSuffix(line, "\n"))
	}
	return exitCode(err)
}
