package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/coredumps"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/ownca"
)

// caCommand returns the commands about the CA.
func caCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "Show, export and replace the CA that lifted clients trust",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(caShowCommand(p), caExportCommand(p), caRotateCommand(p), caImportCommand(p))
	return cmd
}

// caHome returns where the CA of the settings is.
func caHome(p *program) (*ownca.Home, error) {
	cfg, err := p.load()
	if err != nil {
		return nil, err
	}
	return ownca.New(cfg)
}

func caShowCommand(p *program) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Print the fingerprints, the validity and the limits of the CA",
		Long:    ownca.ShowHelp,
		Example: ownca.ShowExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home, err := caHome(p)
			if err != nil {
				return err
			}
			return failed(home.Show(cmd.Context(), cmd.OutOrStdout(), asJSON))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func caExportCommand(p *program) *cobra.Command {
	var e ownca.Export
	cmd := &cobra.Command{
		Use:     "export",
		Short:   "Write the certificate of the CA as PEM, DER, PKCS #7 or a trust store of Java",
		Long:    ownca.ExportHelp,
		Example: ownca.ExportExample,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			coredumps.Disable()
			if err := e.Check(); err != nil {
				return err
			}
			home, err := caHome(p)
			if err != nil {
				return err
			}
			return failed(e.Run(home, p.stdout))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&e.Format, "format", "pem", "`FORMAT`: "+strings.Join(ownca.Formats(), ", "))
	flags.StringVar(&e.Form, "form", "sha256", "`FORM` of the certificate: "+strings.Join(ownca.Forms(), ", "))
	flags.BoolVar(&e.New, "new", false, "export the new CA of a rotation")
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
		Use:     "rotate",
		Short:   "Replace the CA by a new one, with both in use until all clients have it",
		Long:    ownca.RotateHelp,
		Example: ownca.RotateExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			coredumps.Disable()
			if err := r.Check(); err != nil {
				return err
			}
			home, err := caHome(p)
			if err != nil {
				return err
			}
			return failed(r.Run(cmd.Context(), home, cmd.OutOrStdout()))
		},
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
		Use:     "import FILE...",
		Short:   "Take in the CA of a company, with its key",
		Long:    ownca.ImportHelp,
		Example: ownca.ImportExample,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			coredumps.Disable()
			home, err := caHome(p)
			if err != nil {
				return err
			}
			i := ownca.Import{Files: args, Password: ownca.PasswordFrom(passwordFile, p.stdin, p.stderr)}
			return failed(i.Run(home, cmd.OutOrStdout()))
		},
	}
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "`FILE` with the password of a PKCS #12 file (default: it is asked for)")
	return cmd
}

// completeWords completes the words of a flag.
func completeWords(cmd *cobra.Command, flag string, words []string) {
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}
