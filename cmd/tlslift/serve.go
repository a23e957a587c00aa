package main

import (
	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/service"
)

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run until a signal stops it (the default)",
		Long: `Opens the listeners, prints their addresses and the file of the CA certificate,
and serves clients. SIGTERM or SIGINT stops it: no new connections are accepted,
and open ones may continue for TLSLIFT_DRAIN_TIMEOUT. A second signal ends it at
once. SIGHUP reads TLSLIFT_CLIENTS_FILE and TLSLIFT_SIGNIN_FILE again.`,
		Args: cobra.NoArgs,
		RunE: p.runServe,
	}
}

func (p *program) runServe(cmd *cobra.Command, _ []string) error {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	disableCoreDumps()
	logging.SurviveReader()
	return failed(service.Run(cmd.Context(), service.Options{
		Settings: cfg, Log: p.log, Version: p.version, Revision: buildRevision(), Confine: confine,
	}))
}
