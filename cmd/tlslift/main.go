// Command tlslift lets clients that only speak TLS 1.0 or 1.1 keep using
// Microsoft 365: it reads its settings, builds the parts and runs them until a
// signal.
//
// It refuses to start with an unknown setting or one that it cannot read: nothing
// that an operator wrote is silently without effect.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/packaged"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/sandbox"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/serviceuser"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/timerslack"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/winservice"
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

// again runs a command of root again as the user of the service. Tests run commands in their
// own process, and do without.
var again func(ctx context.Context, c serviceuser.Command, stateDir string) (code int, ran bool, err error)

func main() {
	again = func(ctx context.Context, c serviceuser.Command, dir string) (int, bool, error) {
		return c.Run(ctx, dir)
	}
	confine, raiseTimerSlack = sandbox.Enter, timerslack.Raise
	os.Exit(runOn(thisMachine(), os.Args[1:], settings.Environ(os.Environ()), os.Stdout, os.Stderr))
}

// thisMachine returns where the package of this system, or `tlslift service install`, has put
// things.
func thisMachine() packaged.Machine {
	if runtime.GOOS == "linux" {
		return packaged.Linux
	}
	place, err := winservice.ThisPlace()
	if err != nil || !place.IsTrusted() {
		return packaged.Machine{}
	}
	return packaged.Machine{EnvFile: place.EnvFile(), StateDir: place.StateDir()}
}

// run is runOn where no package has installed anything.
func run(args []string, environ map[string]string, stdout, stderr *os.File) int {
	return runOn(packaged.Machine{}, args, environ, stdout, stderr)
}

// runOn is the whole program, on a machine that may have the files of a package; it returns
// the exit code.
func runOn(machine packaged.Machine, args []string, environ map[string]string, stdout, stderr *os.File) int {
	p := &program{
		environ: environ, stdin: os.Stdin, stdout: stdout, stderr: stderr, log: logging.NewWriter(stderr), version: buildVersion(),
	}
	defer p.log.Close()
	if logging.IsJournal(stderr, environ["JOURNAL_STREAM"]) {
		p.log.ForJournal()
	}
	p.packaged = sync.OnceValue(func() packaged.Found { return findPackaged(p, machine) })
	root := p.rootCommand()
	root.SetArgs(args)
	err := root.Execute()
	var ran exitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &ran):
		return int(ran) // it has said why
	}
	for line := range strings.Lines(netname.Lines(err.Error())) {
		p.log.Say(slog.LevelError, "tlslift: "+strings.TrimSuffix(line, "\n"))
	}
	if p.unread != nil { // the failure may well come from that
		p.log.Say(slog.LevelError, "tlslift: "+netname.Text(p.unread.Error(), maxSentence))
	}
	return exitCode(err)
}
