package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
)

func (p *program) healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a running tlslift whether it is ready",
		Long: `Asks /readyz on TLSLIFT_ADMIN_LISTEN. The exit code is 0 if tlslift is ready. It
reads the same settings as serve, and is meant for a container's health check.`,
		Example: `  tlslift healthcheck && echo ready`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			answer, err := adminclient.New(cfg).Health(cmd.Context())
			if err != nil {
				return failed(err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), answer)
			return failed(err)
		},
	}
}
