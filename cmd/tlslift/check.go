package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/check"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/checkclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/coredumps"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/logging"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailcheck"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/service"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/serviceuser"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/signin"
)

// checkCommand returns the commands that try whether something works.
func checkCommand(p *program) *cobra.Command {
	o := check.Options{Load: p.load, Machine: check.OfThis()}
	var asJSON, strict bool
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Look whether tlslift can do its work on this machine",
		Long:    check.Help(),
		Example: check.Example,
		Args:    noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			coredumps.Disable()
			if o.Timeout <= 0 {
				return fmt.Errorf("--timeout: %s is too short; write a time, for example 30s", o.Timeout)
			}
			acts := serviceuser.Acts(p.environ)
			if o.ByRoot = acts || os.Geteuid() == 0; acts {
				o.Rules = check.FromRoot(p.stdin)
			}
			pass := func(cfg *settings.Config) io.Reader { return check.ForService(cmd.Context(), cfg, o.Machine) }
			if err := asServiceWith(cmd, p, pass); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			printer := check.Printer{Out: cmd.OutOrStdout(), JSON: asJSON, Colours: hasColours(p)}
			report := o.Run(ctx, printer.Each)
			if err := printer.End(report); err != nil {
				return failed(err)
			}
			if report.Err(strict) != nil {
				return exitStatus(exitFailure) // the report has said why
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&strict, "strict", false, "fail for warnings, too")
	cmd.Flags().DurationVar(&o.Timeout, "timeout", check.DefaultTimeout, "`TIME` that all checks may take")
	cmd.AddCommand(checkMailboxCommand(p), checkClientCommand(p))
	return cmd
}

func checkClientCommand(p *program) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "client NAME",
		Short:             "Say what a client does, why it fails, and what to type on its panel",
		Long:              checkclient.Help,
		Example:           checkclient.Example,
		ValidArgsFunction: completeClient(p),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return errors.New("name one client, by its name in the clients file or its address, for example tlslift check client 192.168.20.31")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := asService(cmd, p); err != nil {
				return err
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			report, err := checkclient.Of(cmd.Context(), cfg, checkclient.OfThis(), args[0])
			if err != nil {
				return failed(err)
			}
			return failed(report.Print(cmd.OutOrStdout(), asJSON))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// hasColours reports whether what is printed may have colours.
func hasColours(p *program) bool { return isTerminal(p.stdout) && p.environ["NO_COLOR"] == "" }

func checkMailboxCommand(p *program) *cobra.Command {
	o := mailcheck.Options{
		Load: p.load,
		Log:  func(c *settings.Config) *slog.Logger { return logging.Plain(p.stderr, service.LogOptions(c)) },
	}
	var protocol string
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "mailbox ADDRESS",
		Short:             "Try whether tlslift can sign in to a mailbox, and send with it",
		Long:              mailcheck.Help,
		Example:           mailcheck.Example,
		Args:              oneMailbox("tlslift check mailbox scan@contoso.com"),
		ValidArgsFunction: completeMailbox(p, func(signin.Mailbox) bool { return true }),
		RunE: func(cmd *cobra.Command, args []string) error {
			coredumps.Disable()
			err := asService(cmd, p)
			if err != nil {
				return err
			}
			if o.Protocol, err = mailcheck.ParseProtocol(protocol); err != nil {
				return err
			}
			o.Mailbox = args[0]
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			err = o.Run(ctx, mailcheck.Printer{Out: cmd.OutOrStdout(), JSON: asJSON})
			if mailcheck.IsUsage(err) {
				return err
			}
			return failed(err)
		},
	}
	protocolFlag(cmd, &protocol)
	cmd.Flags().BoolVar(&o.Send, "send", false, "let the mailbox send a short mail to itself")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// protocolFlag adds the flag that says what the mailbox is used for.
func protocolFlag(cmd *cobra.Command, value *string) {
	cmd.Flags().StringVar(value, "protocol", "smtp", "`PROTOCOL` of the devices: smtp, imap or pop3")
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("protocol",
		cobra.FixedCompletions(mailcheck.ProtocolNames(), cobra.ShellCompDirectiveNoFileComp))
}

// oneMailbox wants the address of one mailbox.
func oneMailbox(example string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return fmt.Errorf("name one mailbox of the sign-in file, for example %s", example)
		}
		return nil
	}
}
