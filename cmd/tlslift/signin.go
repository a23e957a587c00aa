package main

import (
	"cmp"
	"io"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/setup"
	"github.com/tlslift/tlslift/proxy/record"
)

const signinSetupHelp = `Prints the steps by which an administrator lets tlslift sign in to mailboxes of
Microsoft 365: in the Entra portal, in PowerShell, and the sign-in file to write.
It changes nothing and opens no connection. What is not known is printed as <THIS>.

Steps are for the cloud of TLSLIFT_M365_INSTANCE. --delegated is for mailboxes to
which a person signs in once ("tlslift login"), so that no secret of an
application is needed. --hve is for accounts of High Volume Email.`

const signinSetupExamples = `  tlslift signin setup
  tlslift signin setup --tenant contoso.onmicrosoft.com --mailbox scan@contoso.com
  tlslift signin setup --mailbox scan@contoso.com --protocol smtp,imap --delegated
  tlslift signin setup --env-file /etc/tlslift/tlslift.env`

// signinCommand returns the commands that prepare the sign-in.
func signinCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "signin",
		Short: "Prepare the sign-in for devices that know only a password",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(signinSetupCommand(p))
	return cmd
}

// A signinSetup is the command that prints the steps of the sign-in.
type signinSetup struct {
	load func() (*settings.Config, error)

	// From the command line.
	tenant, appID        string
	mailboxes, protocols []string
	delegated, hve       bool
}

func signinSetupCommand(p *program) *cobra.Command {
	s := &signinSetup{load: p.load}
	cmd := &cobra.Command{
		Use:     "setup",
		Short:   "Print the steps for your tenant, and the sign-in file to write",
		Long:    signinSetupHelp,
		Example: signinSetupExamples,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.print(cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&s.tenant, "tenant", "", "`TENANT`: its id, or one of its domains, as in contoso.onmicrosoft.com")
	flags.StringVar(&s.appID, "app-id", "", "`ID` of the application, if it is registered: Application (client) ID in the Entra portal")
	flags.StringArrayVar(&s.mailboxes, "mailbox", nil, "`ADDRESS` of a mailbox; may be repeated")
	flags.StringSliceVar(&s.protocols, "protocol", nil, "`PROTOCOL` of the devices: smtp, imap or pop3; may be repeated (default smtp)")
	flags.BoolVar(&s.delegated, "delegated", false, "a person signs in to the mailboxes once; no secret of an application")
	flags.BoolVar(&s.hve, "hve", false, "the mailboxes are accounts of High Volume Email")
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

func (s *signinSetup) print(w io.Writer) error {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	o, err := signinOptions(cfg)
	if err != nil {
		return err
	}
	o = s.over(o)
	if err := o.Check(); err != nil {
		return err
	}
	_, err = io.WriteString(w, setup.Text(o))
	return failed(err)
}

// signinOptions returns what the settings and the sign-in file say of the sign-in.
func signinOptions(cfg *settings.Config) (setup.Options, error) {
	o := setup.Options{Instance: cfg.Instance}
	clients, err := cfg.ClientTable()
	if err != nil {
		return o, err
	}
	file, err := cfg.SignIn(clients)
	if file == nil || err != nil {
		return o, err
	}
	o.Tenant, o.AppID = file.Tenant, file.Application.ID
	for _, m := range file.Mailboxes() {
		o.Mailboxes = append(o.Mailboxes, setup.Mailbox{Address: m.Address, User: m.User, Delegated: m.Delegated, HVE: m.HVE})
	}
	return o, nil
}

// over returns o with what the flags say. Mailboxes of the command line replace all
// of those in o.
func (s *signinSetup) over(o setup.Options) setup.Options {
	o.Tenant = cmp.Or(s.tenant, o.Tenant)
	o.AppID = cmp.Or(s.appID, o.AppID)
	for _, protocol := range s.protocols {
		o.Protocols = append(o.Protocols, record.Protocol(protocol))
	}
	if len(s.mailboxes) > 0 {
		o.Mailboxes = nil
	}
	for _, address := range s.mailboxes {
		o.Mailboxes = append(o.Mailboxes, setup.Mailbox{Address: address})
	}
	if len(o.Mailboxes) == 0 {
		o.Mailboxes = []setup.Mailbox{{}}
	}
	for i := range o.Mailboxes {
		o.Mailboxes[i].Delegated = o.Mailboxes[i].Delegated || s.delegated
		o.Mailboxes[i].HVE = o.Mailboxes[i].HVE || s.hve
	}
	return o
}
