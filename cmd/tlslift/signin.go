package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/setup"
)

// signinCommand returns the commands that prepare the sign-in.
func signinCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "signin",
		Short:   "Prepare the sign-in for devices that know only a password",
		Example: "  tlslift signin setup --tenant contoso.onmicrosoft.com --mailbox scan@contoso.com",
		Args:    noSuchCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(signinSetupCommand(p))
	return cmd
}

func signinSetupCommand(p *program) *cobra.Command {
	var f setup.Flags
	cmd := &cobra.Command{
		Use:     "setup",
		Short:   "Print the steps for your tenant, and the sign-in file to write",
		Long:    setup.Help,
		Example: setup.Example,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := asService(cmd, p); err != nil {
				return err
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			o, err := setup.Of(cfg)
			if err != nil {
				return err
			}
			o = f.Over(o)
			if err := o.Check(); err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), setup.Text(o))
			return failed(err)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Tenant, "tenant", "", "`TENANT`: its id, or one of its domains, for example contoso.onmicrosoft.com")
	flags.StringVar(&f.AppID, "app-id", "", "`ID` of the application, if it is registered: Application (client) ID in the Entra portal")
	flags.StringArrayVar(&f.Mailboxes, "mailbox", nil, "`ADDRESS` of a mailbox; may be repeated")
	flags.StringSliceVar(&f.Protocols, "protocol", nil, "`PROTOCOL` of the devices: smtp, imap or pop3; may be repeated (default smtp)")
	flags.BoolVar(&f.Delegated, "delegated", false, "a person signs in to the mailboxes once; no secret of an application")
	flags.BoolVar(&f.HVE, "hve", false, "the mailboxes are accounts of High Volume Email")
	var protocols []string
	for _, protocol := range setup.Protocols {
		protocols = append(protocols, string(protocol))
	}
	for name, completion := range map[string]cobra.CompletionFunc{
		"tenant":   cobra.NoFileCompletions,
		"app-id":   cobra.NoFileCompletions,
		"mailbox":  cobra.NoFileCompletions,
		"protocol": cobra.FixedCompletions(protocols, cobra.ShellCompDirectiveNoFileComp),
	} {
		// It fails only for a flag that does not exist.
		_ = cmd.RegisterFlagCompletionFunc(name, completion)
	}
	return cmd
}
