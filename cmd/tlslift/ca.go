package main

import (
	"strings"

	"github.com/spf13/cobra"

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
	cmd.AddCommand(caShowCommand(p), caExportCommand(p))
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
			return failed(home.Show(cmd.OutOrStdout(), asJSON))
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
			disableCoreDumps()
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

// completeWords completes the words of a flag.
func completeWords(cmd *cobra.Command, flag string, words []string) {
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}
