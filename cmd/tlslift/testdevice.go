package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/coredumps"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest"
)

func testDeviceCommand(p *program) *cobra.Command {
	var f devicetest.Flags
	cmd := &cobra.Command{
		Use:     "test-device",
		Short:   "Find out what a device can do, and what to configure for it",
		Long:    devicetest.Help,
		Example: devicetest.Example,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			coredumps.Disable()
			if err := asService(cmd, p); err != nil {
				return err
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			o, err := f.Options(cfg)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return failed(f.Run(ctx, o, cmd.OutOrStdout(), cmd.ErrOrStderr()))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Listen, "listen", "", "`URLS` to listen on, in the form of TLSLIFT_LISTEN, in the place of the configured ones")
	flags.StringVar(&f.Client, "client", "", "test only the client with this `NAME` or address")
	flags.IntVar(&f.Devices, "devices", 1, "end when enough is known of `N` devices, up to 16")
	flags.DurationVar(&f.Timeout, "timeout", devicetest.DefaultTimeout, "`TIME` after which it ends")
	flags.StringVar(&f.Page, "page", "", "`ADDRESS` of the page for a phone, or off; by default a port of the host that it listens on")
	flags.BoolVar(&f.JSON, "json", false, "print the summary as JSON, and what is found meanwhile to standard error")
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("client", completeClient(p))
	return cmd
}
