package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/coredumps"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/packaged"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/service"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/winservice"
)

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run until a signal stops it (the default)",
		Long: `Opens the listeners, prints their addresses and the file of the CA certificate,
and serves clients. SIGTERM or SIGINT stops it: no new connections are accepted,
and open ones may continue for TLSLIFT_DRAIN_TIMEOUT. A second signal cuts them
off with a reset. SIGHUP reads the settings, and all files that they name, again.
SIGUSR2 (Linux) starts the program again, which takes over the listeners; open
connections may end in the first one. Sockets that systemd passes are used for the
listeners with their address.`,
		Example: `  tlslift serve --env-file ./tlslift.env
  TLSLIFT_LISTEN=smtp://:587,proxy://:3128 tlslift serve`,
		Args: noArgs,
		RunE: p.runServe,
	}
}

// invocationName is the variable that systemd sets for each start of a unit.
const invocationName = "INVOCATION_ID"

func (p *program) runServe(cmd *cobra.Command, _ []string) error {
	raiseTimerSlack() // first: settings may be in a pipe
	if winservice.IsService() {
		return serveManaged(cmd.Context(), p)
	}
	if p.environ[invocationName] != "" {
		p.packaged = func() packaged.Found { return packaged.Found{} } // the unit says which settings it has
	}
	cfg, err := p.load()
	if err != nil {
		return err
	}
	return serve(cmd.Context(), p, cfg, nil)
}

// serve runs the service with settings.
func serve(ctx context.Context, p *program, cfg *settings.Config, managed *service.Managed) error {
	coredumps.Disable()
	logging.SurviveReader()
	err := service.Run(ctx, service.Options{
		Settings: cfg, Load: p.load, Log: p.log, Version: p.version, Revision: buildRevision(),
		Environ: p.environ, EnvFile: strings.TrimPrefix(settingsFile(p), "-"), Command: ownCommand(), Confine: confine,
		Managed: managed,
	})
	var usage service.UsageError
	switch {
	case errors.As(err, &usage):
		return err
	case errors.Is(err, service.ErrCut):
		return cut{err}
	}
	return failed(err)
}

// ownCommand returns the path and the arguments by which the program was started: what
// is at the path by then is what a successor runs. It is nil if the path is not known.
func ownCommand() []string {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil
	}
	return append([]string{path}, os.Args[1:]...)
}
