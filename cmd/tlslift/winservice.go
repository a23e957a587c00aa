package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/packaged"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/service"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/winservice"
)

// serviceCommand returns the commands for the service of Windows.
func serviceCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "service", Short: "Install, start and stop the service of Windows", Long: winservice.Help, Example: winservice.Example,
		Args: noSuchCommand, Hidden: runtime.GOOS != "windows",
		RunE: func(*cobra.Command, []string) error {
			return errors.New("name what to do: install, uninstall, start, stop, reload or status")
		},
	}
	add := func(v winservice.Verb) {
		cmd.AddCommand(&cobra.Command{
			Use: v.Name, Short: v.Short, Long: v.Short + ".\n\n" + winservice.Help, Example: "  tlslift service " + v.Name, Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				m, err := winservice.ThisManager()
				if err != nil {
					return err
				}
				ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
				defer stop()
				if err := v.Do(m, ctx); err != nil || v.Done == "" {
					return err
				}
				cmd.Println(v.Done)
				return nil
			},
		})
	}
	add(winservice.Verb{
		Name: "install", Short: "Install the service, to start with the machine", Done: "installed; `tlslift service start` starts it",
		Do: func(m winservice.Manager, _ context.Context) error { return installService(p, m) },
	})
	for _, v := range winservice.Verbs() {
		do := v.Do
		v.Do = func(m winservice.Manager, ctx context.Context) error { return failed(do(m, ctx)) }
		add(v)
	}
	add(winservice.Verb{
		Name: "status", Short: "Print what the service does; exit code 1 unless it runs",
		Do: func(m winservice.Manager, _ context.Context) error {
			runs, err := m.PrintStatus(p.stdout)
			if err == nil && !runs {
				return exitStatus(exitFailure)
			}
			return failed(err)
		},
	})
	return cmd
}

// installService installs the service. Its settings are read now, so that mistakes are found
// by the person who installs it.
func installService(p *program, m winservice.Manager) error {
	path, err := os.Executable()
	if err != nil {
		return failed(err)
	}
	args, err := winservice.Args(p.envFile, m.Place)
	if err != nil {
		return failed(err)
	}
	cfg, err := asInstalled(p, args[len(args)-1], m.Place).load()
	if err != nil {
		return err
	}
	err = m.Install(winservice.Definition{Program: path, Args: args, StopTime: time.Duration(cfg.DrainTimeout) + 10*time.Second})
	if err != nil || p.envFile != "" {
		return failed(err)
	}
	return failed(m.WriteSettings(settings.ExampleEnvFile()))
}

// asInstalled returns the program as the service runs it.
func asInstalled(p *program, envFile string, place winservice.Place) *program {
	return &program{
		environ: winservice.Environ(p.environ), stderr: p.stderr, log: p.log, envFile: envFile,
		packaged: func() packaged.Found { return packaged.Found{StateDir: place.StateDir()} },
	}
}

// serveManaged is runServe under the service manager of Windows. There is no terminal: what
// would be said there is in the log.
func serveManaged(ctx context.Context, p *program) error {
	place, err := winservice.ThisPlace()
	if err != nil {
		return failed(err)
	}
	p.packaged = func() packaged.Found { return packaged.Found{StateDir: place.StateDir()} }
	var code exitStatus
	err = winservice.Run(place, func(c winservice.Control, log *logging.Writer) error {
		p.log = log
		cfg, err := p.load()
		if err == nil {
			err = serve(ctx, p, cfg, &service.Managed{Stop: c.Stop, HangUp: c.HangUp, Ready: c.Ready})
		}
		if err != nil {
			code = exitStatus(exitCode(err))
		}
		return err
	}, exitCode)
	if err == nil && code != exitOK {
		return code // the reason is in the log
	}
	return failed(err)
}
