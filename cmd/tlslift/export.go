package main

import (
	"fmt"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/clientlist"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/clientfile"
)

func exportCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Write a clients file with the clients of a running tlslift",
		Long: `Prints the clients file of the settings with the clients that it does not have yet,
as the tlslift that listens on TLSLIFT_ADMIN_LISTEN knows them: for each its address, a
name to replace, and what it speaks as a comment. Clients whose address is not allowed
are left out. Look at it before you put it in place of TLSLIFT_CLIENTS_FILE.`,
		Example: `  tlslift clients export >new-clients.yaml`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			if isFile(p.stdout, cfg.ClientsFile) {
				return fmt.Errorf("this would write over %sCLIENTS_FILE while it is read; write to another file", settings.Prefix)
			}
			var answer statuspage.Clients
			q := adminclient.Question{Path: "/api/v1/clients", Query: url.Values{"sort": {"seen"}}}
			if err := adminclient.New(cfg).AskJSON(cmd.Context(), q, &answer); err != nil {
				return failed(err)
			}
			text, err := cfg.ClientsText()
			if err != nil {
				return failed(err)
			}
			text, left, err := clientfile.Add(text, clientlist.Additions(answer.Clients))
			if err != nil {
				return fmt.Errorf("%sCLIENTS_FILE: %w", settings.Prefix, err)
			}
			if left > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d clients are left out, those that were seen longest ago: the file would be too large\n", left)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return failed(err)
		},
	}
}

// isFile reports whether f is the file with a path.
func isFile(f *os.File, path string) bool {
	there, err := os.Stat(path)
	if path == "" || err != nil {
		return false
	}
	here, err := f.Stat()
	return err == nil && os.SameFile(here, there)
}
