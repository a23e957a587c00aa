package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/coredumps"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/deviceca"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/ownca"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

// caCommand returns the commands about the CA.
func caCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "Show, export and replace the CA that lifted clients trust; certificates of devices",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(caShowCommand(p), caExportCommand(p), caRotateCommand(p), caImportCommand(p),
		caIssueCommand(p), caIssuedCommand(p), caRevokeCommand(p))
	return cmd
}

// about returns what a command does: it checks the command line, finds by the settings what the
// command is about, and does the work.
func about[H any](p *program, find func(*settings.Config) (H, error), check func() error,
	work func(cmd *cobra.Command, args []string, h H) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		coredumps.Disable()
		if err := check(); err != nil {
			return err
		}
		cfg, err := p.load()
		if err != nil {
			return err
		}
		h, err := find(cfg)
		if err != nil {
			return err
		}
		return work(cmd, args, h)
	}
}

// unchecked is for a command line that cobra has checked.
func unchecked() error { return nil }

func caShowCommand(p *program) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "show", Short: "Print the fingerprints, the validity and the limits of the CA",
		Long: ownca.ShowHelp, Example: ownca.ShowExample, Args: cobra.NoArgs,
		RunE: about(p, ownca.New, unchecked, func(cmd *cobra.Command, _ []string, h *ownca.Home) error {
			return failed(h.Show(cmd.Context(), cmd.OutOrStdout(), asJSON))
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func caExportCommand(p *program) *cobra.Command {
	var e ownca.Export
	cmd := &cobra.Command{
		Use: "export", Short: "Write the certificate of the CA as PEM, DER, PKCS #7 or a trust store of Java",
		Long: ownca.ExportHelp, Example: ownca.ExportExample, Args: cobra.NoArgs,
		RunE: about(p, ownca.New, e.Check, func(_ *cobra.Command, _ []string, h *ownca.Home) error {
			return failed(e.Run(h, p.stdout))
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&e.Format, "format", "pem", "`FORMAT`: "+strings.Join(ownca.Formats(), ", "))
	flags.StringVar(&e.Form, "form", "sha256", "`FORM` of the certificate: "+strings.Join(ownca.Forms(), ", "))
	flags.BoolVar(&e.New, "new", false, "export the new CA of a rotation")
	flags.BoolVar(&e.Device, "device", false, "export the CA of the certificates of devices")
	flags.BoolVar(&e.Chain, "chain", false, "export the CAs above it, too, as far as tlslift has them")
	flags.BoolVar(&e.Legacy, "legacy", false, "encrypt a pkcs12 file so that old Java reads it")
	flags.StringVar(&e.PasswordFile, "password-file", "", "`FILE` with the password of a trust store (default: it is changeit)")
	flags.StringVarP(&e.Output, "output", "o", "", "write to `FILE`, which must not exist (default: standard output)")
	completeWords(cmd, "format", ownca.Formats())
	completeWords(cmd, "form", ownca.Forms())
	return cmd
}

func caRotateCommand(p *program) *cobra.Command {
	var r ownca.Rotation
	cmd := &cobra.Command{
		Use: "rotate", Short: "Replace the CA by a new one, with both in use until all clients have it",
		Long: ownca.RotateHelp, Example: ownca.RotateExample, Args: cobra.NoArgs,
		RunE: about(p, ownca.New, func() error { return r.Check() }, func(cmd *cobra.Command, _ []string, h *ownca.Home) error {
			return failed(r.Run(cmd.Context(), h, cmd.OutOrStdout()))
		}),
	}
	flags := cmd.Flags()
	flags.BoolVar(&r.Finish, "finish", false, "end the rotation, and remove the old CA with its key")
	flags.BoolVar(&r.Cancel, "cancel", false, "remove the new CA")
	flags.BoolVar(&r.Force, "force", false, "finish although clients still use the old CA, or nobody knows")
	return cmd
}

func caImportCommand(p *program) *cobra.Command {
	var passwordFile string
	cmd := &cobra.Command{
		Use: "import FILE...", Short: "Take in the CA of a company, with its key",
		Long: ownca.ImportHelp, Example: ownca.ImportExample, Args: cobra.MinimumNArgs(1),
		RunE: about(p, ownca.New, unchecked, func(cmd *cobra.Command, args []string, h *ownca.Home) error {
			i := ownca.Import{Files: args, Password: ownca.PasswordFrom(passwordFile, p.stdin, p.stderr)}
			return failed(i.Run(h, cmd.OutOrStdout()))
		}),
	}
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "`FILE` with the password of a PKCS #12 file (default: it is asked for)")
	return cmd
}

func caIssueCommand(p *program) *cobra.Command {
	var i deviceca.Issue
	cmd := &cobra.Command{
		Use: "issue NAME", Short: "Give a device a certificate of its own, in a PKCS #12 file",
		Long: deviceca.IssueHelp, Example: deviceca.IssueExample, Args: cobra.ExactArgs(1),
		RunE: about(p, deviceca.New, i.Check, func(_ *cobra.Command, args []string, h *deviceca.Home) error {
			i.Name = args[0]
			if err := h.CheckNames(&i); err != nil {
				return err
			}
			return failed(i.Run(h, p.stdout, p.stderr))
		}),
	}
	i.AddFlags(cmd.Flags())
	completeWords(cmd, "key", deviceca.Keys())
	return cmd
}

func caIssuedCommand(p *program) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "issued", Short: "List the certificates of devices",
		Long: deviceca.IssuedHelp, Example: deviceca.IssuedExample, Args: cobra.NoArgs,
		RunE: about(p, deviceca.New, unchecked, func(cmd *cobra.Command, _ []string, h *deviceca.Home) error {
			return failed(h.List(cmd.OutOrStdout(), asJSON))
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func caRevokeCommand(p *program) *cobra.Command {
	var r deviceca.Revocation
	cmd := &cobra.Command{
		Use: "revoke SERIAL|NAME", Short: "Take the certificate of a device back",
		Long: deviceca.RevokeHelp, Example: deviceca.RevokeExample, Args: cobra.ExactArgs(1),
		RunE: about(p, deviceca.New, r.Check, func(cmd *cobra.Command, args []string, h *deviceca.Home) error {
			r.Asked = args[0]
			return failed(r.Run(h, cmd.OutOrStdout()))
		}),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			_ = about(p, deviceca.New, unchecked, func(_ *cobra.Command, _ []string, h *deviceca.Home) error { // nothing to complete
				names = h.Names()
				return nil
			})(cmd, args)
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	r.AddFlags(cmd.Flags())
	completeWords(cmd, "reason", deviceca.Reasons())
	return cmd
}

// completeWords completes the words of a flag.
func completeWords(cmd *cobra.Command, flag string, words []string) {
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}
