package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/demo"
)

func demoCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show on this machine what tlslift does",
		Long: `Starts a fake Microsoft 365 and tlslift in front of it, both on loopback addresses,
and connects with clients of several ages. It needs no network and no privileges,
changes nothing on this machine and ends by itself. It fails if anything differs
from what it prints. It reads no settings.`,
		Example: `  tlslift demo --keep`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return failed(demo.Run(ctx, cmd.OutOrStdout(), keep))
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave it running and print commands to try, until Ctrl-C")
	return cmd
}
