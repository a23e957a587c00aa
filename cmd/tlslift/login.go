package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/coredumps"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/login"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailcheck"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/service"
	"github.com/tlslift/tlslift/proxy/signin"
)

// loginCommand returns the command by which a person signs in.
func loginCommand(p *program) *cobra.Command {
	var protocol string
	cmd := &cobra.Command{
		Use:               "login ADDRESS",
		Short:             "Sign in for a mailbox once, in place of an application's secret",
		Long:              login.Help,
		Example:           login.Example,
		Args:              oneMailbox("tlslift login scan@contoso.com"),
		ValidArgsFunction: completeMailbox(p, func(m signin.Mailbox) bool { return m.Delegated }),
		RunE: func(cmd *cobra.Command, args []string) error {
			coredumps.Disable()
			if err := asService(cmd, p); err != nil {
				return err
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			o := login.Options{Mailbox: args[0]}
			if o.Protocol, err = mailcheck.ParseProtocol(protocol); err != nil {
				return err
			}
			if err := o.Check(cfg); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return failed(o.Run(ctx, cfg, logging.Plain(p.stderr, service.LogOptions(cfg)), cmd.OutOrStdout()))
		},
	}
	protocolFlag(cmd, &protocol)
	return cmd
}

// completeMailbox completes the address of a mailbox that wanted accepts.
func completeMailbox(p *program, wanted func(signin.Mailbox) bool) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		const noFiles = cobra.ShellCompDirectiveNoFileComp
		cfg, err := p.load()
		if err != nil || len(args) > 0 {
			return nil, noFiles
		}
		file, err := mailboxes.ReadFile(cfg)
		if err != nil {
			return nil, noFiles
		}
		for _, m := range file.Mailboxes() {
			if wanted(m) {
				names = append(names, m.Address)
			}
		}
		return names, noFiles
	}
}
