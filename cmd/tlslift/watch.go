package main

import (
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/watch"
)

func (p *program) watchCommand() *cobra.Command {
	var client string
	var before int
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Follow the connections of a running tlslift",
		Long: `Prints a line for each connection when it ends, until Ctrl-C; below a connection
that had a problem, also the cause and the remedy. It asks the tlslift that
listens on TLSLIFT_ADMIN_LISTEN and reads the same settings as serve. NO_COLOR in
the environment turns colours off.`,
		Example: `  tlslift watch
  tlslift watch --client scanner-2nd-floor`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			w := &watch.Watch{
				Admin: adminclient.New(cfg), Client: client, Before: before, Pause: adminclient.Pause,
				Out: cmd.OutOrStdout(), Notes: cmd.ErrOrStderr(), Colours: hasColours(p),
			}
			return failed(w.Run(ctx))
		},
	}
	cmd.Flags().StringVar(&client, "client", "", "print only connections of the client with this `NAME` or address")
	cmd.Flags().IntVar(&before, "last", 10, "begin with the last `N` connections, up to 1000")
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("client", completeClient(p))
	return cmd
}
